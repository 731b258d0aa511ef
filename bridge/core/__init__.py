"""What everything else stands on: the event, the errors, the ports. No I/O."""
