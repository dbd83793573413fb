"""What a trained generator is for.

latent       walks between latent vectors, and the search for one
restoring    holes filled, noise removed, small pictures enlarged; files and folders of them
export       the generator for other runtimes: ONNX, LiteRT, TensorFlow Serving
"""
