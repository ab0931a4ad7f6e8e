"""The doors on one port: a dispatcher, the inference protocol, the control plane. ``dispatch.py`` is the way in."""
