"""What holds for every test."""

import signal

# A shell starts what it puts in the background with SIGINT ignored, which children
# inherit: Ctrl-C could then not be tested.
signal.signal(signal.SIGINT, signal.default_int_handler)
