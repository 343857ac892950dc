"""Tests of what breaks: real servers, real processes, on free ports in temporary folders."""
