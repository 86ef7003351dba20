"""What operations people watch: metrics, health, alarms, back-pressure, status."""
