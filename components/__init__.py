"""What runs inside Luthier's containers: the steps, and the libraries they share. Importing it loads nothing heavy."""
