"""Files of predictions and outcomes, brought in through the same door as everybody else's."""
