package interop

import (
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func kafkajs(t *testing.T) *program {
	t.Helper()
	t.Parallel()
	return &program{args: []string{"node", "clients/kafkajs.js"}, env: []string{"NODE_PATH=" + tool(t, "client-tools", "js")}}
}

// TestOutsideKafkajs sends 200 000 records with kafkajs, a tenth with each codec, idempotent and not. It consumes in a group only, so franz-go reads them.
func TestOutsideKafkajs(t *testing.T) {
	js := kafkajs(t)
	n := start(t)
	topic := "kafkajs"
	createTopic(t, client(t, n), topic, partitions)
	record := func(i int) *kgo.Record { return noNullHeaders(makeRecord(topic, 6, i)) }
	for _, r := range runs(allCodecs, true, false) {
		if acked := js.send(t, r, record, "send", n.address, topic, r.codec, strconv.FormatBool(r.idempotent)); acked != strconv.Itoa(r.to-r.from) {
			t.Fatalf("%v: %s acknowledged", r, acked)
		}
	}
	readAll(t, n, topic, record)
}

// TestOutsideKafkajsAdmin runs what kafkajs's admin offers of what is served.
func TestOutsideKafkajsAdmin(t *testing.T) {
	js := kafkajs(t)
	js.answers(t, [][2]string{
		{"create", "true"},
		{"again", "false"}, // TOPIC_ALREADY_EXISTS is no error to it
		{"partitions", "undefined"},
		{"list", `["a"]`},
		{"metadata", "3"},
		{"cluster", `[[true],1,22]`},
		{"config", `["5000000"]`},
		{"alter", "0"},
		{"altered", `["7000000"]`},
		{"produce", "0"},
		{"delete records", "undefined"},
		{"offsets", `["0:2-5","1:0-0","2:0-0"]`},
		{"by time", `["0:3","1:0","2:0"]`},
		{"reassignments", "[]"},
		{"delete", "undefined"},
		{"left", "[]"},
	}, "admin", start(t).address)
}

// TestOutsideKafkajsErrors demands kafkajs's own error types.
func TestOutsideKafkajsErrors(t *testing.T) {
	js := kafkajs(t)
	js.answers(t, [][2]string{
		{"a topic", "true"},
		{"a name", "INVALID_TOPIC_EXCEPTION"},
		{"no partitions", "INVALID_PARTITIONS"},
		{"three replicas", "INVALID_REPLICATION_FACTOR"},
		{"a mistyped config", "INVALID_CONFIG"},
		{"deleting nothing", "UNKNOWN_TOPIC_OR_PARTITION"},
		{"as many partitions as before", "INVALID_PARTITIONS"},
		{"the offsets of no topic", "UNKNOWN_TOPIC_OR_PARTITION"},
		{"the configs of no topic", "UNKNOWN_TOPIC_OR_PARTITION"},
		{"deleting records beyond the end", "OFFSET_OUT_OF_RANGE"},
		{"a record above max.message.bytes", "MESSAGE_TOO_LARGE"},
		{"a record of an hour ago", "INVALID_TIMESTAMP"},
		{"producing to no topic", "UNKNOWN_TOPIC_OR_PARTITION"},
		{"listing groups", "KafkaJSServerDoesNotSupportApiKey"},
		{"consuming in a group", "KafkaJSGroupCoordinatorNotFound"},
	}, "errors", start(t, "auto.create.topics.enable=false").address)
}
