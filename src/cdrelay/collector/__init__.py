"""The half that receives call records, stores each once, proves that none is missing and fetches what is."""
