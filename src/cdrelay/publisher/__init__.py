"""The half that takes call records from a platform and delivers them, signed, to each partner's callback every tick."""
