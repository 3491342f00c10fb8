package race

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"odradek/bench/kafka"
	"odradek/bench/target"
)

// toolPartitions is that of topics that other people's tools write to and read.
const toolPartitions = 4

// toolMax bounds a run of a tool.
const toolMax = 10 * time.Minute

// tool runs a command against a topic that was made for it, and gives what the command wrote and what the broker used meanwhile.
type tool struct {
	command func(ctx context.Context, address, topic string) *exec.Cmd
	filled  bool // the topic holds the messages already
	group   bool // it reads as a consumer group
	values  func(out string) (Values, error)
	gb      float64 // of payload that passes
}

func (a *Arena) tool(ctx context.Context, c *Cell, e Entrant, t tool) (Values, error) {
	return a.staged(ctx, c, e, toolPartitions, nil, func(s *stage) (Values, error) {
		if t.group {
			if err := served(s.addresses); err != nil {
				return nil, err
			}
		}
		if t.filled {
			// A little more, since the tool stops at a number of messages.
			if err := fill(s.topic, s.leaders, a.Plan.Messages*1000*11/10, filling(toolPartitions)); err != nil {
				return nil, err
			}
		}
		before, err := s.broker.Usage()
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), toolMax)
		defer cancel()
		cmd := t.command(ctx, s.addresses[0], s.topic)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", cmd, err, lastLines(string(out)))
		}
		after, err := s.broker.Usage()
		if err != nil {
			return nil, err
		}
		values, err := t.values(string(out))
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", cmd, err, lastLines(string(out)))
		}
		values["cpu_per_gb"] = after.Sub(before).CPU.Seconds() / t.gb
		return values, nil
	})
}

// groupMax bounds the wait for a coordinator: a broker makes its first topic of offsets when it is asked.
const groupMax = 15 * time.Second

// joinGroup is the API that makes a member of a group.
const joinGroup = 11

// served reports Unable where a broker does not know of consumer groups, and waits for a coordinator where it does.
func served(addresses []string) error {
	conn, err := kafka.DialAny(addresses)
	if err != nil {
		return err
	}
	defer conn.Close()
	if serves, err := conn.Serves(joinGroup); err != nil {
		return err
	} else if !serves {
		return Unable{"consumer groups are not served"}
	}
	for deadline := time.Now().Add(groupMax); ; time.Sleep(100 * time.Millisecond) {
		err := conn.Coordinates("perf")
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func lastLines(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// numbers finds a pattern's last match and reads its groups.
func numbers(out, pattern string) ([]float64, error) {
	all := regexp.MustCompile(pattern).FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return nil, fmt.Errorf("it did not print what matches %q", pattern)
	}
	var values []float64
	for _, s := range all[len(all)-1][1:] {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// MB of Kafka's tools are of 1 048 576 bytes.
const toolMB = 1.048576

// messages is how many a tool sends: where each batch is synced, which Kafka does one after another, a fifth.
func (a *Arena) messages(e Entrant) int64 {
	if e.Flushed {
		return a.Plan.Messages / 5
	}
	return a.Plan.Messages
}

// producerPerf is kafka-producer-perf-test.
func producerPerf(ctx context.Context, a *Arena, c *Cell, e Entrant) (Values, error) {
	messages := a.messages(e)
	n := strconv.FormatInt(messages, 10)
	return a.tool(ctx, c, e, tool{gb: float64(messages) * 1000 / 1e9,
		command: func(ctx context.Context, address, topic string) *exec.Cmd {
			return target.KafkaTool(ctx, a.Classpath, "org.apache.kafka.tools.ProducerPerformance", "--bootstrap-server", address, "--topic", topic, "--num-records", n,
				"--throughput", "-1", "--record-size", "1000", "--command-property", "acks=all", "batch.size=16384", "linger.ms=5", "enable.idempotence=true")
		},
		values: func(out string) (Values, error) {
			v, err := numbers(out, `([\d.]+) records/sec \(([\d.]+) MB/sec\), [\d.]+ ms avg latency, [\d.]+ ms max latency, ([\d.]+) ms 50th, [\d.]+ ms 95th, ([\d.]+) ms 99th`)
			if err != nil {
				return nil, err
			}
			return Values{"records_rate": v[0], "throughput": v[1] * toolMB, "tool_p50": v[2], "tool_p99": v[3]}, nil
		}})
}

// consumerPerf is kafka-consumer-perf-test. Its time to join the group is left out.
func consumerPerf(ctx context.Context, a *Arena, c *Cell, e Entrant) (Values, error) {
	n := strconv.FormatInt(a.Plan.Messages, 10)
	return a.tool(ctx, c, e, tool{gb: float64(a.Plan.Messages) * 1000 / 1e9, filled: true, group: true,
		command: func(ctx context.Context, address, topic string) *exec.Cmd {
			return target.KafkaTool(ctx, a.Classpath, "org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", address, "--topic", topic, "--num-records", n, "--hide-header")
		},
		values: func(out string) (Values, error) {
			v, err := numbers(out, `, ([\d.]+), ([\d.]+)\s*$`)
			if err != nil {
				return nil, err
			}
			return Values{"throughput": v[0] * toolMB, "records_rate": v[1]}, nil
		}})
}

// rdkafkaProduce is librdkafka's rdkafka_performance as a producer, with its defaults but for acks, batch and linger.
func rdkafkaProduce(ctx context.Context, a *Arena, c *Cell, e Entrant) (Values, error) {
	return a.rdkafka(ctx, c, e, false, "-P", "-a", "-1", "-s", "1000", "-X", "linger.ms=5", "-X", "batch.size=16384", "-X", "enable.idempotence=true")
}

// rdkafkaConsume is the same as a consumer of one partition, without a group.
func rdkafkaConsume(ctx context.Context, a *Arena, c *Cell, e Entrant) (Values, error) {
	return a.rdkafka(ctx, c, e, true, "-C", "-o", "beginning")
}

func (a *Arena) rdkafka(ctx context.Context, c *Cell, e Entrant, consume bool, args ...string) (Values, error) {
	if a.Rdkafka == "" {
		return nil, Unable{"rdkafka_performance is not here: build it with scripts/rdkafka-performance and say where with --rdkafka"}
	}
	n := a.messages(e)
	if consume {
		n /= toolPartitions
	}
	return a.tool(ctx, c, e, tool{gb: float64(n) * 1000 / 1e9, filled: consume,
		command: func(ctx context.Context, address, topic string) *exec.Cmd {
			all := append(append([]string{}, args...), "-t", topic, "-b", address, "-c", strconv.FormatInt(n, 10))
			if consume {
				all = append(all, "-p", "0")
			}
			return exec.CommandContext(ctx, a.Rdkafka, all...)
		},
		values: func(out string) (Values, error) {
			v, err := numbers(out, `: (\d+) msgs/s (?:and |\()([\d.]+) M[Bb]/s`)
			if err != nil {
				return nil, err
			}
			return Values{"records_rate": v[0], "throughput": v[1]}, nil
		}})
}
