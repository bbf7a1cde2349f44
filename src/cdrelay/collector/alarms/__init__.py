"""What the collector's operator must look after: found every tick, kept, told, and told again until it is gone."""
