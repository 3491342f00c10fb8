package interop

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func python(t *testing.T, script string) *program {
	t.Helper()
	t.Parallel()
	return &program{args: []string{tool(t, "client-tools", "python"), "clients/" + script}}
}

func TestOutsideKafkaPython(t *testing.T) {
	sendAndRead(t, python(t, "kafka_python.py"), "kafka-python", func(i int) *kgo.Record { return noNullHeaders(pythonRecord("kafka-python", 7, i)) })
}

func TestOutsideAiokafka(t *testing.T) {
	sendAndRead(t, python(t, "aio_kafka.py"), "aiokafka", func(i int) *kgo.Record { return pythonRecord("aiokafka", 8, i) })
}

// pythonRecord has a key or a value: both clients refuse to send neither.
func pythonRecord(topic string, seed uint64, i int) *kgo.Record {
	r := makeRecord(topic, seed, i)
	if r.Key == nil && r.Value == nil {
		r.Value = []byte{}
	}
	return r
}

// TestOutsideKafkaPythonAdmin runs what kafka-python's admin offers of what is served.
func TestOutsideKafkaPythonAdmin(t *testing.T) {
	py := python(t, "kafka_python.py")
	py.answers(t, [][2]string{
		{"create", "2"},
		{"partitions", "3"},
		{"list", "['a']"},
		{"pages", "3"},
		{"cluster", "[True]"},
		{"config", "5000000"},
		{"incremental", "['60000', '5000000']"},
		{"replace", "7000000"},
		{"resources", "['broker', 'broker_logger', 'topic']"},
		{"delete records", "4"},
		{"earliest", "4"},
		{"latest", "10"},
		{"newest", "9"},
		{"by time", "7"},
		{"log dirs", "[3]"},
		{"producers", "1"},
		{"elect", "84"}, // ELECTION_NOT_NEEDED
		{"reassignments", "{}"},
		{"delete", "[]"},
	}, "admin", start(t).address)
}

// TestOutsideKafkaPythonErrors demands kafka-python's own exceptions.
func TestOutsideKafkaPythonErrors(t *testing.T) {
	py := python(t, "kafka_python.py")
	py.answers(t, [][2]string{
		{"a topic", "created"},
		{"it again", "TopicAlreadyExistsError"},
		{"a name", "InvalidTopicError"},
		{"no partitions", "InvalidPartitionsError"},
		{"three replicas", "InvalidReplicationFactorError"},
		{"a mistyped config", "InvalidConfigurationError"},
		{"deleting nothing", "UnknownTopicOrPartitionError"},
		{"as many partitions as before", "InvalidPartitionsError"},
		{"deleting records beyond the end", "OffsetOutOfRangeError"},
		{"listing groups", "IncompatibleBrokerVersion"},
		{"a record above max.message.bytes", "MessageSizeTooLargeError"},
		{"a record of an hour ago", "InvalidTimestampError"},
		{"producing to no topic", "KafkaTimeoutError"}, // its own, of the metadata that never names the topic
		{"an offset beyond the end", "OffsetOutOfRangeError"},
	}, "errors", start(t, "auto.create.topics.enable=false").address)
}

// TestOutsideAiokafkaAdmin runs what aiokafka's admin offers of what is served.
func TestOutsideAiokafkaAdmin(t *testing.T) {
	py := python(t, "aio_kafka.py")
	py.answers(t, [][2]string{
		{"create", "[0]"},
		{"partitions", "3"},
		{"list", "['a']"},
		{"cluster", "[True]"},
		{"config", "[('retention.ms', '5000000')]"},
		{"alter", "[('retention.ms', '7000000')]"},
		{"delete records", "{TopicPartition(topic='a', partition=0): 4}"},
		{"offsets", "[4, 10, 7]"},
		{"delete", "[0]"},
	}, "admin", start(t).address)
}

// TestOutsideAiokafkaErrors demands aiokafka's own exceptions.
func TestOutsideAiokafkaErrors(t *testing.T) {
	py := python(t, "aio_kafka.py")
	py.answers(t, [][2]string{
		{"a topic", "[0]"},
		{"it again", "['TopicAlreadyExistsError']"},
		{"a name", "['InvalidTopicError']"},
		{"no partitions", "['InvalidPartitionsError']"},
		{"three replicas", "['InvalidReplicationFactorError']"},
		{"a mistyped config", "['InvalidConfigurationError']"},
		{"deleting nothing", "['UnknownTopicOrPartitionError']"},
		{"as many partitions as before", "InvalidPartitionsError"},
		{"the configs of no topic", "['UnknownTopicOrPartitionError']"},
		{"deleting records beyond the end", "OffsetOutOfRangeError"},
		{"listing groups", "IncompatibleBrokerVersion"},
		{"a record above max.message.bytes", "MessageSizeTooLargeError"},
		{"a record of an hour ago", "InvalidTimestampError"},
		{"producing to no topic", "UnknownTopicOrPartitionError"},
		{"an offset beyond the end", "OffsetOutOfRangeError"},
	}, "errors", start(t, "auto.create.topics.enable=false").address)
}
