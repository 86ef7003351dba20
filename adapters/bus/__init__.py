"""Work items to other systems: the embedded bus and RabbitMQ."""
