"""Clients of chat and embedding models behind two protocols. The one room that knows providers."""
