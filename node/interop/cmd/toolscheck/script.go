package main

import (
	"fmt"
	"slices"
	"strings"
)

// tools are the classes behind the names of Kafka's bin directory.
var tools = map[string]string{
	"kafka-topics":              "org.apache.kafka.tools.TopicCommand",
	"kafka-configs":             "kafka.admin.ConfigCommand",
	"kafka-get-offsets":         "org.apache.kafka.tools.GetOffsetShell",
	"kafka-delete-records":      "org.apache.kafka.tools.DeleteRecordsCommand",
	"kafka-log-dirs":            "org.apache.kafka.tools.LogDirsCommand",
	"kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
	"kafka-cluster":             "org.apache.kafka.tools.ClusterTool",
	"kafka-leader-election":     "org.apache.kafka.tools.LeaderElectionCommand",
	"kafka-console-producer":    "org.apache.kafka.tools.ConsoleProducer",
	"kafka-console-consumer":    "org.apache.kafka.tools.consumer.ConsoleConsumer",
	"kafka-producer-perf-test":  "org.apache.kafka.tools.ProducerPerformance",
}

// command is one line of the script.
type command struct {
	line  int
	text  string
	tool  string
	args  []string // the broker's address and files are put in for each side
	input string
	rules []*rule // that explain how the outputs differ
}

// parse reads the script; its head says how a line is written.
func parse(script string) ([]command, error) {
	var out []command
	for i, line := range strings.Split(script, "\n") {
		text, names, _ := strings.Cut(line, " # differs: ")
		if text = strings.TrimSpace(text); text == "" || text[0] == '#' {
			continue
		}
		c := command{line: i + 1, text: text}
		for name := range strings.FieldsSeq(names) {
			at := slices.IndexFunc(rules, func(r rule) bool { return r.name == name })
			if at < 0 {
				return nil, fmt.Errorf("line %d: no rule is named %q", i+1, name)
			}
			c.rules = append(c.rules, &rules[at])
		}
		all, err := words(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if len(all) > 3 && all[0] == "printf" && all[2] == "|" {
			c.input, all = strings.ReplaceAll(strings.ReplaceAll(all[1], `\n`, "\n"), `\t`, "\t"), all[3:]
		}
		if c.tool = tools[all[0]]; c.tool == "" {
			return nil, fmt.Errorf("line %d: no tool is named %q", i+1, all[0])
		}
		c.args = all[1:]
		if !slices.ContainsFunc(c.args, func(a string) bool { return strings.Contains(a, "BROKER") }) {
			c.args = append(c.args, "--bootstrap-server", "BROKER")
		}
		out = append(out, c)
	}
	return out, nil
}

// words splits a line at spaces that no single quotes enclose.
func words(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	quoted, begun := false, false
	for _, r := range line {
		switch {
		case r == '\'':
			quoted, begun = !quoted, true
		case r == ' ' && !quoted:
			if begun {
				out = append(out, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quoted {
		return nil, fmt.Errorf("a quote is not closed")
	}
	if begun {
		out = append(out, word.String())
	}
	return out, nil
}

// changes reports whether a command may change something that Kafka's broker learns from its controller later.
func (c *command) changes() bool {
	return slices.ContainsFunc([]string{"--create", "--alter", "--delete"}, func(a string) bool { return slices.Contains(c.args, a) })
}
