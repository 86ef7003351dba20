"""The topology: one description, whoever asks for it."""

import json

from adapters.bus import topology


class RecordingChannel:
    """What a channel was asked to declare."""

    def __init__(self):
        self.exchanges, self.queues, self.bindings = {}, {}, []

    def exchange_declare(self, exchange, exchange_type, *, durable):
        self.exchanges[exchange] = (exchange_type, durable)

    def queue_declare(self, queue, *, durable, arguments):
        assert arguments.get("x-dead-letter-exchange", topology.DEAD_EXCHANGE) in self.exchanges
        self.queues[queue] = (durable, arguments)

    def queue_bind(self, queue, exchange, routing_key):
        assert queue in self.queues
        assert exchange in self.exchanges
        self.bindings.append((exchange, routing_key, queue))


def test_what_is_declared_is_what_the_definitions_say():
    """A broker prepared from the printed definitions accepts the gateway's own declarations."""
    channel = RecordingChannel()
    topology.declare(channel, ["cardio", "identite"])
    printed = topology.definitions(["cardio", "identite"])
    assert channel.exchanges == {e["name"]: (e["type"], e["durable"]) for e in printed["exchanges"]}
    assert channel.queues == {q["name"]: (q["durable"], q["arguments"]) for q in printed["queues"]}
    assert channel.bindings == [(b["source"], b["routing_key"], b["destination"]) for b in printed["bindings"]]


def test_every_queue_is_a_durable_quorum_queue_with_a_delivery_limit_of_its_own():
    """No broker version's default decides how often a message is delivered."""
    queues = topology.definitions(["cardio"])["queues"]
    assert {q["name"] for q in queues} == {"secretariat.cardio", "dead.cardio"}
    for queue in queues:
        assert queue["durable"]
        assert queue["arguments"]["x-queue-type"] == "quorum"
        assert queue["arguments"]["x-delivery-limit"] > 0


def test_a_worklist_queue_dead_letters_at_least_once_to_its_own_dead_letter_queue():
    """At-least-once dead-lettering needs reject-publish, and a binding by each routing key a message comes with."""
    printed = topology.definitions(["cardio"])
    arguments = next(q["arguments"] for q in printed["queues"] if q["name"] == "secretariat.cardio")
    assert arguments["x-dead-letter-strategy"] == "at-least-once"
    assert arguments["x-overflow"] == "reject-publish"
    ways = {(b["source"], b["routing_key"]): b["destination"] for b in printed["bindings"]}
    assert ways == {
        ("gateway.items", "item.cardio"): "secretariat.cardio",
        (arguments["x-dead-letter-exchange"], "item.cardio"): "dead.cardio",
        (arguments["x-dead-letter-exchange"], "secretariat.cardio"): "dead.cardio",  # returned by its queue's name
    }


def test_definitions_are_json_of_one_virtual_host():
    """The definitions can be printed and imported as they are."""
    printed = json.loads(json.dumps(topology.definitions(["cardio"], virtual_host="hospital")))
    assert printed.pop("vhosts") == [{"name": "hospital"}]
    assert {part["vhost"] for parts in printed.values() for part in parts} == {"hospital"}
