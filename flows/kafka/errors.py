"""Which of Kafka's errors heal by waiting, and what to do about the others."""

from typing import Any, Final

_ADVICE: Final = {
    "TOPIC_AUTHORIZATION_FAILED": "the principal may not use the topic: grant it READ and DESCRIBE (sinks: WRITE)",
    "GROUP_AUTHORIZATION_FAILED": "the principal may not use the consumer group: grant it READ on the group",
    "CLUSTER_AUTHORIZATION_FAILED": "the principal may not write idempotently: grant it IDEMPOTENT_WRITE",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "the principal may not use the transactional id: grant it WRITE on it",
    "SASL_AUTHENTICATION_FAILED": "check sasl.username, sasl.password and sasl.mechanism",
    "_AUTHENTICATION": "check sasl.username, sasl.password and sasl.mechanism",
    "_SSL": "check security.protocol and the ssl.* properties",
    "UNKNOWN_TOPIC_OR_PART": "the topic is not there (any more): create it, or correct its name",
    "_UNKNOWN_TOPIC": "the topic is not there (any more): create it, or correct its name",
    "_UNKNOWN_PARTITION": "the partition is not there: was the topic made anew?",
    "TOPIC_EXCEPTION": "this is no name for a topic",
    "MSG_SIZE_TOO_LARGE": "raise the topic's max.message.bytes and the client's message.max.bytes",
    "_FENCED": "another run uses the same transactional id: give each its own, or end the other one",
    "PRODUCER_FENCED": "another run uses the same transactional id: give each its own, or end the other one",
    "INVALID_PRODUCER_EPOCH": "another run uses the same transactional id: give each its own, or end the other one",
    "UNSUPPORTED_SASL_MECHANISM": "the brokers do not offer this sasl.mechanism",
}
"""Name of an error that waiting does not heal -> what to do."""


def is_lasting(error: Any) -> bool:
    """Whether waiting will not heal it.  error: a confluent_kafka.KafkaError."""
    return error.name() in _ADVICE or error.fatal()


def in_words(error: Any) -> str:
    """What the error says, and what to do about it where that is known."""
    advice = _ADVICE.get(error.name())
    text = error.str() or error.name()
    return f"{text}; {advice}" if advice else text
