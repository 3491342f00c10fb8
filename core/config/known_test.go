package config

import (
	"slices"
	"strings"
	"testing"
)

// shipped is config/server.properties as Apache Kafka 4.3 ships it, without comments.
var shipped = []Entry{
	{"process.roles", "broker,controller"}, {"node.id", "1"}, {"controller.quorum.bootstrap.servers", "localhost:9093"},
	{"listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"}, {"inter.broker.listener.name", "PLAINTEXT"},
	{"advertised.listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"}, {"controller.listener.names", "CONTROLLER"},
	{"listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL"},
	{"num.network.threads", "3"}, {"num.io.threads", "8"}, {"socket.send.buffer.bytes", "102400"}, {"socket.receive.buffer.bytes", "102400"},
	{"socket.request.max.bytes", "104857600"}, {"log.dirs", "/tmp/kraft-combined-logs"}, {"num.partitions", "1"}, {"num.recovery.threads.per.data.dir", "1"},
	{"offsets.topic.replication.factor", "1"}, {"share.coordinator.state.topic.replication.factor", "1"}, {"share.coordinator.state.topic.min.isr", "1"},
	{"transaction.state.log.replication.factor", "1"}, {"transaction.state.log.min.isr", "1"}, {"log.flush.interval.messages", "10000"},
	{"log.flush.interval.ms", "1000"}, {"log.retention.hours", "168"}, {"log.retention.bytes", "1073741824"}, {"log.segment.bytes", "1073741824"},
	{"log.retention.check.interval.ms", "300000"},
}

func TestKafkasOwnFileIsAccepted(t *testing.T) {
	n, err := ParseNode(shipped)
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Listeners) != 1 || n.Listeners[0] != (Listener{"PLAINTEXT", "", 9092}) || n.Advertised[0].Host != "localhost" {
		t.Errorf("listens on %+v, advertises %+v: the controller's are left out", n.Listeners, n.Advertised)
	}
	if n.Topic.RetentionMs != 168*3_600_000 || n.Topic.FlushMessages != 10000 {
		t.Errorf("topics get %+v", n.Topic)
	}
	if inert := Inert(shipped); !slices.Contains(inert, "num.io.threads") || slices.Contains(inert, "log.retention.hours") {
		t.Errorf("without effect: %v", inert)
	}
}

// Our keys are Kafka's, with its types and defaults, but for those named here.
func TestKeysAreKafkas(t *testing.T) {
	ours := []string{"admin.listener"}
	differ := map[string]string{
		"listeners": "only this machine unless told otherwise", "log.dir": "./odradek-data, by the command", "node.id": "a node needs no configuration",
		"process.roles": "a node needs no configuration", "log.flush.interval.messages": "durable", "log.segment.delete.delay.ms": "see its key",
		"queued.max.request.bytes": "everything has a limit", "socket.receive.buffer.bytes": "faster by a tenth, and the system bounds it", "broker.heartbeat.interval.ms": "decision 8", "broker.session.timeout.ms": "decision 8",
		"controller.quorum.fetch.timeout.ms": "decision 8",
		"log.retention.ms":                   "log.retention.hours' default", "log.roll.ms": "log.roll.hours' default", "log.roll.jitter.ms": "log.roll.jitter.hours' default",
		"log.flush.interval.ms": "log.flush.scheduler.interval.ms' default", "listener.security.protocol.map": "the order of a map",
	}
	kafkas := map[string][]string{}
	for line := range strings.Lines(kafkaKeys) {
		if fields := strings.Fields(line); len(fields) > 1 {
			kafkas[fields[0]] = fields[1:]
		}
	}
	if len(kafkas) < 300 {
		t.Fatalf("%d keys of Kafka's", len(kafkas))
	}
	for i := range NodeKeys {
		k := &NodeKeys[i]
		kafka, ok := kafkas[k.Name]
		if !ok {
			if !slices.Contains(ours, k.Name) {
				t.Errorf("%s is no key of Kafka's", k.Name)
			}
			continue
		}
		if want := typesByName[kafka[0]]; k.Type != want && !(k.Type == Double && want == Number) && k.Name != "log.dir" {
			t.Errorf("%s is of type %d, Kafka's is %s", k.Name, k.Type, kafka[0])
		}
		def := ""
		if len(kafka) > 1 && kafka[1] != "null" {
			def = kafka[1]
		}
		if _, may := differ[k.Name]; k.Default != def && !may {
			t.Errorf("%s has the default %q, Kafka's is %q", k.Name, k.Default, def)
		}
	}
}

func TestCoarserUnits(t *testing.T) {
	for _, c := range []struct {
		given []Entry
		ms    int64
		name  string // the synonym that counts
	}{
		{[]Entry{{"log.retention.hours", "2"}}, 7_200_000, "log.retention.hours"},
		{[]Entry{{"log.retention.hours", "2"}, {"log.retention.minutes", "3"}}, 180_000, "log.retention.minutes"},
		{[]Entry{{"log.retention.ms", "5"}, {"log.retention.minutes", "3"}}, 5, "log.retention.ms"},
		{[]Entry{{"log.retention.hours", "-1"}}, -1, "log.retention.hours"},
		{nil, 604_800_000, "log.retention.ms"},
	} {
		n, err := ParseNode(c.given)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range TopicSettings(n, nil) {
			if s.Key.Name == "retention.ms" && s.Synonyms[0].Name != c.name {
				t.Errorf("%v: retention.ms comes from %s", c.given, s.Synonyms[0].Name)
			}
		}
		if n.Topic.RetentionMs != c.ms {
			t.Errorf("%v: retention.ms is %d", c.given, n.Topic.RetentionMs)
		}
	}
}
