package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// java returns Kafka's class path, or skips the test.
func java(t *testing.T) (classpath string) {
	t.Helper()
	path, err := os.ReadFile(tool(t, "kafka-jars"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(path))
}

// javaTool is one of Kafka's own tools.
func javaTool(t *testing.T, class string) *program {
	t.Helper()
	return &program{args: []string{"java", "-cp", java(t), "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "org.apache.kafka.tools." + class}}
}

// javaClient compiles JavaClient.
func javaClient(t *testing.T) *program {
	t.Helper()
	t.Parallel()
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("javac is missing; get it with: apt-get install openjdk-17-jdk-headless")
	}
	classpath, dir := java(t), t.TempDir()
	if out, err := exec.Command("javac", "-nowarn", "-cp", classpath, "-d", dir, "clients/JavaClient.java").CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	return &program{args: []string{"java", "-cp", dir + ":" + classpath, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dkafka.log.level=error", "JavaClient"}}
}

// TestOutsideJava sends 200 000 records with Apache Kafka's producer, a tenth with each codec, idempotent and not, and reads them back with its consumer and with
// franz-go.
func TestOutsideJava(t *testing.T) {
	sendAndRead(t, javaClient(t), "java", func(i int) *kgo.Record { return makeRecord("java", 9, i) })
}

// TestOutsideJavaAdmin runs what Apache Kafka's Admin offers of what is served.
func TestOutsideJavaAdmin(t *testing.T) {
	javaClient(t).answers(t, [][2]string{
		{"create", "2"},
		{"partitions", "3"},
		{"list", "[a]"},
		{"cluster", "1 1 22"},
		{"config", "5000000"},
		{"set", "60000"},
		{"delete config", "604800000"},
		{"broker config", "77"},
		{"resources", "[BROKER 1, BROKER_LOGGER 1, TOPIC a]"},
		{"delete records", "4"},
		{"earliest", "4"},
		{"latest", "10"},
		{"local", "4"},
		{"newest", "9"},
		{"tiered", "-1"},
		{"time", "7"},
		{"log dirs", "[3]"},
		{"producers", "1"},
		{"elect", "ElectionNotNeededException"},
		{"reassignments", "{}"},
		{"features", "true"},
		{"delete", "[]"},
	}, "admin", start(t).address)
}

// TestOutsideJavaErrors demands Apache Kafka's own exceptions.
func TestOutsideJavaErrors(t *testing.T) {
	javaClient(t).answers(t, [][2]string{
		{"a topic", "created"},
		{"it again", "TopicExistsException"},
		{"a name", "InvalidTopicException"},
		{"no partitions", "InvalidPartitionsException"},
		{"three replicas", "InvalidReplicationFactorException"},
		{"a mistyped config", "InvalidConfigurationException"},
		{"an assignment to nobody", "InvalidReplicaAssignmentException"},
		{"deleting nothing", "UnknownTopicOrPartitionException"},
		{"describing nothing", "UnknownTopicOrPartitionException"},
		{"as many partitions as before", "InvalidPartitionsException"},
		{"the configs of no topic", "UnknownTopicOrPartitionException"},
		{"a bad value", "InvalidConfigurationException"},
		{"deleting records beyond the end", "OffsetOutOfRangeException"},
		{"listing groups", "UnsupportedVersionException"},
		{"quotas", "UnsupportedVersionException"},
		{"a record above max.message.bytes", "RecordTooLargeException"},
		{"a record of an hour ago", "InvalidTimestampException"},
		{"producing to no topic", "TimeoutException"}, // its own, of the metadata that never names the topic
		{"an offset beyond the end", "OffsetOutOfRangeException"},
	}, "errors", start(t, "auto.create.topics.enable=false").address)
}

// consoleLines is how many lines the console tools move: they are the same producer and consumer.
const consoleLines = 20_000

// TestOutsideJavaConsole sends lines of headers, key and value with the console producer, some with each codec, and reads each partition with the console
// consumer. The producer spreads keys by their hash, so what counts is that each line is there once, and in order in its partition.
func TestOutsideJavaConsole(t *testing.T) {
	t.Parallel()
	producer, consumer := javaTool(t, "ConsoleProducer"), javaTool(t, "consumer.ConsoleConsumer")
	n := start(t)
	createTopic(t, client(t, n), "console", partitions)
	line := func(i int) string {
		return fmt.Sprintf("h:run-%d\tkey-%d\tvalue %d %s", i%7, i, i, strings.Repeat("x", i%300))
	}
	each := consoleLines / len(allCodecs)
	for k, codec := range allCodecs {
		cmd := producer.command(t, "--bootstrap-server", n.address, "--topic", "console", "--compression-codec", codec, "--command-property", "enable.idempotence="+strconv.FormatBool(k%2 == 0),
			"--reader-property", "parse.key=true", "--reader-property", "parse.headers=true")
		var lines bytes.Buffer
		for i := k * each; i < (k+1)*each; i++ {
			lines.WriteString(line(i) + "\n")
		}
		cmd.Stdin = &lines
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("the console producer, %s: %v\n%s", codec, err, out)
		}
	}
	seen := 0
	for _, end := range listEnds(t, client(t, n), "console")["console"] { // any order: each is read by itself
		cmd := consumer.command(t, "--bootstrap-server", n.address, "--topic", "console", "--partition", strconv.Itoa(int(end.Partition)), "--offset", "earliest",
			"--max-messages", strconv.FormatInt(end.Offset, 10),
			"--formatter-property", "print.key=true", "--formatter-property", "print.headers=true")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("the console consumer: %v", err)
		}
		last := -1
		for _, got := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
			var i int
			if _, key, ok := strings.Cut(got, "\tkey-"); ok {
				fmt.Sscan(key, &i)
			}
			if got != line(i) || i <= last {
				t.Fatalf("partition %d, after line %d: %q", end.Partition, last, got)
			}
			last = i
			seen++
		}
	}
	if seen != consoleLines {
		t.Errorf("%d lines of %d", seen, consoleLines)
	}
}

// TestOutsideJavaVerifiable runs the producers that Kafka's own system tests and benchmarks use.
func TestOutsideJavaVerifiable(t *testing.T) {
	t.Parallel()
	verifiable, perf := javaTool(t, "VerifiableProducer"), javaTool(t, "ProducerPerformance")
	n := start(t)
	c := client(t, n)
	createTopic(t, c, "verifiable", 1)
	createTopic(t, c, "perf", partitions)
	const count = 20_000
	out, err := verifiable.command(t, "--bootstrap-server", n.address, "--topic", "verifiable", "--max-messages", strconv.Itoa(count), "--acks", "-1").Output()
	if err != nil {
		t.Fatalf("VerifiableProducer: %v\n%s", err, tail(string(out), 2000))
	}
	acked := 0
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		var said struct {
			Name        string
			Value       string
			Offset      int64
			Sent, Acked int64
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatalf("VerifiableProducer printed %q", line)
		}
		switch said.Name {
		case "producer_send_success":
			if said.Value != strconv.FormatInt(said.Offset, 10) {
				t.Fatalf("%q: one producer to one partition", line)
			}
			acked++
		case "producer_send_error":
			t.Fatal(line)
		}
	}
	if end := topicEnd(t, c, "verifiable"); acked != count || end != count {
		t.Errorf("VerifiableProducer: %d acknowledged, %d there, of %d", acked, end, count)
	}
	out, err = perf.command(t, "--topic", "perf", "--num-records", strconv.Itoa(recordCount), "--record-size", "100", "--throughput", "-1",
		"--command-property", "bootstrap.servers="+n.address, "acks=all", "compression.type=lz4").CombinedOutput()
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("%d records sent", recordCount)) {
		t.Errorf("ProducerPerformance: %v\n%s", err, tail(string(out), 2000))
	}
	if end := topicEnd(t, c, "perf"); end != recordCount {
		t.Errorf("ProducerPerformance: %d records are there, of %d", end, recordCount)
	}
}

// topicEnd is the sum of the ends of a topic's partitions.
func topicEnd(t *testing.T, c *kgo.Client, topic string) (sum int64) {
	t.Helper()
	for _, o := range listEnds(t, c, topic)[topic] { // any order: a sum
		sum += o.Offset
	}
	return sum
}

// TestOutsideJavaGroups has a tool that consumes in a group wait for a coordinator until its own timeout, and neither hang nor fail otherwise.
func TestOutsideJavaGroups(t *testing.T) {
	t.Parallel()
	consumer := javaTool(t, "ConsumerPerformance")
	n := start(t)
	createTopic(t, client(t, n), "g", 1)
	properties := filepath.Join(t.TempDir(), "properties")
	if err := os.WriteFile(properties, []byte("default.api.timeout.ms=2000\nrequest.timeout.ms=1500\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := consumer.command(t, "--bootstrap-server", n.address, "--topic", "g", "--num-records", "1", "--timeout", "3000", "--command-config", properties).CombinedOutput()
	if !strings.Contains(string(out), "Exiting before consuming the expected number of records") {
		t.Errorf("ConsumerPerformance: %v\n%s", err, tail(string(out), 2000))
	}
}
