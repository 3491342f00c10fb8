package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"odradek/node/interop/brokers"
)

func TestParse(t *testing.T) {
	commands, err := parse("# no command\n\nprintf 'a\\nb\\n' | kafka-console-producer --topic 'a b' # differs: own-words auto-create\nkafka-topics --list --bootstrap-server BROKER\n")
	if err != nil || len(commands) != 2 {
		t.Fatalf("%v, %v", commands, err)
	}
	c := commands[0]
	if c.input != "a\nb\n" || !slices.Equal(c.args, []string{"--topic", "a b", "--bootstrap-server", "BROKER"}) || len(c.rules) != 2 || c.rules[1].name != "auto-create" {
		t.Errorf("%+v", c)
	}
	if len(commands[1].args) != 3 || commands[1].tool != tools["kafka-topics"] {
		t.Errorf("%+v", commands[1])
	}
	for _, bad := range []string{"kafka-topics --topic 'a", "kafka-toppics --list", "kafka-topics --list # differs: somehow"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestScript(t *testing.T) {
	commands, err := parse(script)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, c := range commands {
		seen[c.tool]++
		if strings.Contains(strings.Join(c.args, " "), "'") {
			t.Errorf("line %d has a quote left", c.line)
		}
	}
	for name, class := range tools { // any order: each by itself
		if seen[class] == 0 {
			t.Errorf("%s is not run", name)
		}
	}
	if len(commands) < 60 {
		t.Errorf("%d commands", len(commands))
	}
}

func TestRulesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/DIFFERENCES.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if !strings.Contains(string(text), "**"+r.name) {
			t.Errorf("docs/DIFFERENCES.md does not explain %s", r.name)
		}
	}
}

// ran makes an output as a side would.
func ran(status int, out, err string) output {
	s := &side{broker: &brokers.Broker{}, masking: []string{"127.0.0.1:4711", "BROKER", "0123456789012345678901", "CLUSTER"}}
	return output{status: status, lines: s.mask(out), said: spoken(s.mask(err))}
}

// Each difference in what a person would read fails, and what may differ from run to run does not.
func TestCompare(t *testing.T) {
	base := ran(0, "Topic: a\tTopicId: AAAAAAAAAAAAAAAAAAAAAA\tPartitionCount: 1\nat 1790000000000 from 127.0.0.1:4711\n", "java.lang.Error: x\n\tat some.Place(1)\n")
	for _, c := range []struct {
		ours output
		want bool
	}{
		{ran(0, "Topic: a\tTopicId: BBBBBBBBBBBBBBBBBBBBBB\tPartitionCount: 1\nat 1790000000001 from 127.0.0.1:4711\n", "java.lang.Error: x\n\tat another.Place(2)\n"), true},
		{ran(0, "Topic: a\tTopicId: AAAAAAAAAAAAAAAAAAAAAA\tPartitionCount: 2\nat 1790000000000 from 127.0.0.1:4711\n", "java.lang.Error: x\n"), false},
		{ran(0, "Topic: a\tTopicId: AAAAAAAAAAAAAAAAAAAAAA\tPartitionCount: 1\nat 1790000000000 from 127.0.0.1:4712\n", "java.lang.Error: x\n"), false},
		{ran(0, "at 1790000000000 from 127.0.0.1:4711\nTopic: a\tTopicId: AAAAAAAAAAAAAAAAAAAAAA\tPartitionCount: 1\n", "java.lang.Error: x\n"), false},
		{ran(0, "Topic: a\tTopicId: AAAAAAAAAAAAAAAAAAAAAA\tPartitionCount: 1\nat 1790000000000 from 127.0.0.1:4711\n", "java.lang.Exception: x\n"), false},
		{ran(1, "Topic: a\tTopicId: AAAAAAAAAAAAAAAAAAAAAA\tPartitionCount: 1\nat 1790000000000 from 127.0.0.1:4711\n", "java.lang.Error: x\n"), false},
	} {
		if d := compare(&base, &c.ours); d.none() != c.want {
			t.Errorf("%v: %+v", c.ours, d)
		}
	}
}

// Where in a call the client's time runs out is chance; that it does, and in which call, is not.
func TestTimeouts(t *testing.T) {
	a := ran(0, "x: TimeoutException: Call(callName=deleteRecords(api=METADATA), deadlineMs=1, tries=2) timed out at 3 after 2 attempt(s)\n", "")
	b := ran(0, "x: TimeoutException: Timed out waiting for a node assignment. Call: deleteRecords(api=METADATA)\n", "")
	c := ran(0, "x: TimeoutException: Timed out waiting for a node assignment. Call: listTopics(api=METADATA)\n", "")
	if d := compare(&a, &b); !d.none() {
		t.Errorf("%+v", d)
	}
	if compare(&a, &c).none() {
		t.Error("another call is the same")
	}
}

// A rule explains what it names and nothing beside it.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		rule        string
		kafka, ours string
		left        bool
	}{
		{"apis", "\tProduce(0): 0 to 13 [usable: 13],", "\tProduce(0): 0 to 11 [usable: 11],", false},
		{"apis", "\tOffsetDelete(47): 0 [usable: 0],", "\tOffsetDelete(47): UNSUPPORTED,", false},
		{"apis", "\tFetch(1): 4 to 9 [usable: 9],", "\tFetch(1): 4 to 10 [usable: 10],", true},
		{"apis", "\tFetch(1): 4 to 9 [usable: 9],", "\tFetch(1): 5 to 8 [usable: 8],", true},
		{"durable-default", "  flush.messages=9223372036854775807 s", "  flush.messages=1 s", false},
		{"durable-default", "  flush.messages=9223372036854775807 s", "  flush.messages=2 s", true},
		{"broker-configs", "  node.id=1 a\n  group.x=1", "  node.id=1 b\n  admin.listener=", false},
		{"broker-configs", "  message.max.bytes=1", "  message.max.bytes=2", true},
		{"broker-configs", "", "  group.x=1", true},
	} {
		kafka, ours := ran(0, c.kafka, ""), ran(0, c.ours, "")
		d := compare(&kafka, &ours)
		r := &rules[slices.IndexFunc(rules, func(r rule) bool { return r.name == c.rule })]
		if r.explain(d); d.none() == c.left {
			t.Errorf("%s leaves %+v of %q and %q", c.rule, d, c.kafka, c.ours)
		}
	}
}
