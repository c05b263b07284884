"""Leaves a checkpoint that is a socket."""

import socket

socket.socket(socket.AF_UNIX).bind("/out/checkpoint")
