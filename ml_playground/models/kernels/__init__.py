"""The parts of models that are written for speed: attention, cross entropy."""
