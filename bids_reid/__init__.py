"""bids_reid: how many participants could be recognised from their head scans."""

__version__ = '0.1.0.dev4'
