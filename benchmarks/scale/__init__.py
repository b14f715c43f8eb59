"""The cost of sorting the whole data set in time, requests and money, calculated from measured figures."""
