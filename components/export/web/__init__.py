"""Exports of models as one web page that is the instrument; web/ in the repository has the page's source."""
