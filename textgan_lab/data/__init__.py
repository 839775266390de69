"""Corpora and laws: every kind of data that a GAN here can be trained on."""
