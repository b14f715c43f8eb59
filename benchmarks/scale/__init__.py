"""What a sort of the whole data set costs in time, requests and money: a calculation from the measured figures."""
