"""How good a generator is. It knows no run.

metrics       features in, numbers out
extractors    images in, features out
scores        a generator beside real images, every number with what it takes to compare it
"""
