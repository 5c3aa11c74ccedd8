"""Well-known public formats to event lines, sorted by event time, so that one file is one partition.

listening.py   Spotify account exports and the Last.fm 1K table; read by examples/listening_history.toml
cards.py       card transactions of the Fraud Detection Handbook; read by examples/card_transactions.toml
eventsim.py    eventsim's page log; read by the default configuration
files.py       reading and writing
"""

from flows.convert.cards import convert_cards
from flows.convert.eventsim import convert_eventsim
from flows.convert.listening import convert_lastfm, convert_spotify
from flows.convert.table import convert_table

__all__ = ["convert_cards", "convert_eventsim", "convert_lastfm", "convert_spotify", "convert_table"]
