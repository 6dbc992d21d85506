"""The work behind provision states: steps, transitions, recovery, rescue and inspection."""
