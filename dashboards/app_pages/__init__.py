"""One page, one question. Streamlit runs these files; nothing imports them."""
