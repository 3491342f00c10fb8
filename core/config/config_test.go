package config

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"odradek/core/record"
)

func TestKeysAreSound(t *testing.T) {
	for _, table := range [][]Key{NodeKeys, TopicKeys} {
		for i := range table {
			k := &table[i]
			if k.Doc == "" {
				t.Errorf("%s has no doc", k.Name)
			}
			if err := k.Check(k.Default); err != nil {
				t.Errorf("the default breaks its own bounds: %v", err)
			}
		}
	}
	for _, s := range topicSynonyms {
		if _, ok := Find(TopicKeys, s[0]); !ok {
			t.Errorf("synonym of an unknown topic config %s", s[0])
		}
		if _, ok := Find(NodeKeys, s[1]); !ok {
			t.Errorf("%s stands for an unknown key %s", s[0], s[1])
		}
	}
}

func TestRefusalsNameTheWayOut(t *testing.T) {
	cases := []struct{ key, value, want string }{
		{"num.partition", "3", `did you mean "num.partitions"?`},
		{"listners", "x", `did you mean "listeners"?`},
		{"num.partitions", "three", "Invalid value three for configuration num.partitions: Not a number of type INT"},
		{"num.partitions", "0", "must lie between 1 and"},
		{"auto.create.topics.enable", "yes", "must be true or false"},
		{"compression.type", "brotli", "must be one of producer, uncompressed, gzip"},
		{"listeners", "127.0.0.1:9092", "is not NAME://HOST:PORT"},
		{"listeners", "PLAINTEXT://h:99999", "must be a number from 0 to 65535"},
		{"listeners", "SSL://h:9093", "only PLAINTEXT is served yet"},
		{"listeners", "INNER://h:9093", "add INNER:PLAINTEXT"},
		{"advertised.listeners", "SSL://h:1", "only PLAINTEXT"},
		{"listener.security.protocol.map", "PLAINTEXT", "is not NAME:PROTOCOL"},
		{"inter.broker.listener.name", "INNER", "name one of them"},
		{"authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "every client would be let in"},
		{"zookeeper.connect", "h:2181", "is gone since Kafka 4"},
		{"num.io.thread", "8", `did you mean "num.io.threads"?`},
		{"num.io.threads", "eight", "Not a number of type INT"},
		{"controller.quorum.voters", "2@a:9093", "does not name node 1"},
		{"controller.quorum.voters", "1@a:9093,1@b:9093", "names node 1 twice"},
		{"controller.quorum.voters", "1@a", "is not ID@HOST:PORT"},
		{"metadata.log.dir", "/x", "is not the first of log.dirs"},
		{"log.roll.hours", "0", "must lie between 1"},
		{"listeners", "", "listeners is empty"},
		{"process.roles", "worker", "is neither broker nor controller"},
		{"process.roles", "", "process.roles is empty"},
		{"max.connections.per.ip.overrides", "10.0.0.7", "is not HOST:NUMBER"},
		{"max.connections.per.ip.overrides", "10.0.0.7:many", "must be one from 0 to"},
		{"max.connection.creation.rate", "0", "must lie between 1 and"},
	}
	for _, c := range cases {
		_, err := ParseNode([]Entry{{c.key, c.value}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: %v, want %q", c.key, c.value, err, c.want)
		}
		if about := new(KeyError); !errors.As(err, &about) || about.Key != c.key {
			t.Errorf("%s=%s: the error %v does not know its key", c.key, c.value, err)
		}
	}
}

func TestNodeGivesTopicsTheirDefaults(t *testing.T) {
	n, err := ParseNode([]Entry{{"log.flush.interval.messages", "500"}, {"message.max.bytes", "2000"}, {"log.segment.bytes", "4096"}, {"compression.type", "zstd"},
		{"log.message.timestamp.type", "LogAppendTime"}, {"listeners", "PLAINTEXT://[::1]:9092, PLAINTEXT://h:1"}})
	if err != nil {
		t.Fatal(err)
	}
	if n.Topic.Durable() || n.Topic.Policy.MaxMessageBytes != 2000 || n.Topic.SegmentBytes != 4096 || !n.Topic.Policy.LogAppendTime {
		t.Errorf("a topic gets %+v", n.Topic)
	}
	if n.Listeners[0].Host != "::1" || n.Listeners[1].Port != 1 {
		t.Errorf("listeners %+v", n.Listeners)
	}
	own, err := ParseTopic(n, []Entry{{"flush.messages", "1"}, {"compression.type", "producer"}})
	if err != nil || !own.Durable() || own.Policy.MaxMessageBytes != 2000 {
		t.Errorf("a topic with its own entries gets %+v, %v", own, err)
	}
	want := map[string][]Synonym{
		"flush.messages": {{Name: "flush.messages", Value: "1", Source: FromTopic}, {Name: "log.flush.interval.messages", Value: "500", Source: FromFile},
			{Name: "log.flush.interval.messages", Value: "1", Source: FromDefault}},
		"segment.bytes": {{Name: "log.segment.bytes", Value: "4096", Source: FromFile}, {Name: "log.segment.bytes", Value: "1073741824", Source: FromDefault}},
		"flush.ms": {{Name: "log.flush.interval.ms", Value: "9223372036854775807", Source: FromDefault, Unlisted: true},
			{Name: "log.flush.scheduler.interval.ms", Value: "9223372036854775807", Source: FromDefault, Unlisted: true}},
		"remote.log.copy.disable": {{Name: "remote.log.copy.disable", Value: "false", Source: FromDefault, Unlisted: true}},
		"local.retention.ms":      {{Name: "log.local.retention.ms", Value: "-2", Source: FromDefault}},
	}
	for _, s := range TopicSettings(n, []Entry{{"flush.messages", "1"}}) {
		if w, ok := want[s.Key.Name]; ok && !slices.Equal(s.Synonyms, w) {
			t.Errorf("%s described as %+v", s.Key.Name, s.Synonyms)
		}
	}
}

func TestHostLimits(t *testing.T) {
	n, err := ParseNode([]Entry{{"max.connections.per.ip.overrides", "10.0.0.7:0, [::1]:5,loader.example:200"}})
	if want := []HostLimit{{"10.0.0.7", 0}, {"::1", 5}, {"loader.example", 200}}; err != nil || !slices.Equal(n.PerIP, want) {
		t.Errorf("%+v, %v", n, err)
	}
}

// What is not done is refused; what cannot matter is kept.
func TestTopicConfigsThatDoNotActAreRefused(t *testing.T) {
	n, _ := ParseNode(nil)
	for _, c := range []struct{ key, value, want string }{
		{"preallocate", "true", "can only be \"false\""},
		{"preallocate", "false", ""},
		{"file.delete.delay.ms", "60000", "leave the disk at once"},
		{"remote.storage.enable", "true", "tiered storage is not served"},
		{"leader.replication.throttled.replicas", "0:1", "nothing is replicated yet"},
		{"flush.message", "1", `did you mean "flush.messages"?`},
		{"cleanup.policy", "compact", "must be one of delete"},
		{"unclean.leader.election.enable", "true", ""},
		{"min.cleanable.dirty.ratio", "0.99", ""},
		{"min.cleanable.dirty.ratio", "1.0", ""},
		{"min.cleanable.dirty.ratio", ".5", ""},
		{"min.cleanable.dirty.ratio", "1.01", "from 0 to 1"},
		{"min.cleanable.dirty.ratio", "-1", "from 0 to 1"},
		{"min.cleanable.dirty.ratio", ".", "from 0 to 1"},
		{"max.compaction.lag.ms", "5", ""},
		{"local.retention.ms", "-2", ""},
		{"segment.index.bytes", "3", "must lie between 4 and"},
		{"segment.jitter.ms", "100", ""},
	} {
		err := CheckTopic(n, []Entry{{c.key, c.value}})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: %v, want %q", c.key, c.value, err, c.want)
		}
	}
	if err := CheckTopic(n, []Entry{{"max.compaction.lag.ms", "5"}, {"min.compaction.lag.ms", "6"}}); err == nil {
		t.Error("the least lag may exceed the greatest")
	}
	if _, err := ParseNode([]Entry{{"log.cleanup.policy", "compact"}}); err == nil {
		t.Error("a node compacts")
	}
}

func TestTopicNames(t *testing.T) {
	for _, name := range []string{"a", "A-1_b.c", strings.Repeat("x", 249)} {
		if err := CheckTopicName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "a b", "ä", "a/b", strings.Repeat("x", 250), "__cluster_metadata"} {
		if CheckTopicName(name) == nil {
			t.Errorf("%q is allowed", name)
		}
	}
}

func TestClusters(t *testing.T) {
	three := Entry{"controller.quorum.voters", "3@c:9093,1@[::1]:9093,2@b:9093"}
	names, listeners := Entry{"controller.listener.names", "CONTROLLER"}, Entry{"listeners", "PLAINTEXT://h:9092,CONTROLLER://h:9093"}
	n, err := ParseNode([]Entry{three, names, listeners})
	if err != nil {
		t.Fatal(err)
	}
	addr, ok := n.Voter(1)
	if got := n.Voters(); !slices.Equal(got, []record.NodeID{1, 2, 3}) || !ok || addr != "[::1]:9093" || n.Alone() {
		t.Errorf("voters %v, the first at %q", got, addr)
	}
	if len(n.Listeners) != 1 || len(n.Controllers) != 1 || n.Controllers[0].Port != 9093 || n.InterBroker != "PLAINTEXT" {
		t.Errorf("listeners %v, of the controller %v, of brokers %q", n.Listeners, n.Controllers, n.InterBroker)
	}
	for _, c := range []struct {
		entries []Entry
		want    string
	}{
		{[]Entry{three}, "controller.listener.names is empty"},
		{[]Entry{three, names}, "none of [CONTROLLER] is in listeners"},
		{[]Entry{{"process.roles", "broker"}}, "controller.quorum.voters is empty"},
		{[]Entry{{"process.roles", "broker"}, three}, "names node 1, which is no controller"},
		{[]Entry{{"process.roles", "controller"}, {"node.id", "4"}, three}, "does not name node 4"},
	} {
		if _, err := ParseNode(c.entries); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.entries, err, c.want)
		}
	}
}
