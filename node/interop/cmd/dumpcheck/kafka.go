package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/node/interop/brokers"
)

// kafkaTimeout bounds a start, and a stop, of Apache Kafka.
const kafkaTimeout = 60 * time.Second

// kafka is Apache Kafka on one directory: broker and controller in one process, on loopback.
type kafka struct {
	tool       *tool
	dir        string // of its files; the log directory is dir/data
	release    string // "" for its own
	dynamic    bool   // kraft.version 1: the voters are in the log
	snapshots  bool   // of the metadata, often
	address    string
	controller string
	cmd        *exec.Cmd
	log        bytes.Buffer
}

func (k *kafka) config() string { return filepath.Join(k.dir, "server.properties") }

func (k *kafka) data() string { return filepath.Join(k.dir, "data") }

// configure writes the configuration; format has Kafka format the directory.
func (k *kafka) configure() error {
	text := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.%[4]s
listeners=PLAINTEXT://%[2]s,CONTROLLER://%[1]s
controller.listener.names=CONTROLLER
log.dirs=%[3]s
log.index.interval.bytes=2048
log.initial.task.delay.ms=100
log.flush.start.offset.checkpoint.interval.ms=500
log.retention.check.interval.ms=500
log.cleaner.backoff.ms=200
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
`, k.controller, k.address, k.data(), k.quorum())
	if k.snapshots {
		text += "metadata.log.max.record.bytes.between.snapshots=2000\n"
	}
	return os.WriteFile(k.config(), []byte(text), 0o644)
}

func (k *kafka) quorum() string {
	if k.dynamic {
		return "bootstrap.servers=" + k.controller
	}
	return "voters=1@" + k.controller
}

func (k *kafka) format() error {
	args := []string{"format", "--cluster-id", brokers.ClusterID, "--config", k.config()}
	if k.release != "" {
		args = append(args, "--release-version", k.release)
	}
	if k.dynamic {
		args = append(args, "--standalone")
	}
	out, err := brokers.Java(k.tool.classpath, "kafka.tools.StorageTool", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("storage format: %w\n%s", err, out)
	}
	return nil
}

// start runs the broker until its port answers a client.
func (k *kafka) start() error {
	k.log.Reset()
	k.cmd = brokers.Java(k.tool.classpath, "kafka.Kafka", k.config())
	k.cmd.Stdout, k.cmd.Stderr, k.cmd.Dir = &k.log, &k.log, k.dir
	if err := k.cmd.Start(); err != nil {
		return err
	}
	begun := time.Now()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.address))
	if err != nil {
		return err
	}
	defer client.Close()
	for deadline := time.Now().Add(kafkaTimeout); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", k.address, time.Second)
		if err != nil {
			continue
		}
		conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		err = client.Ping(ctx)
		cancel()
		if err == nil {
			fmt.Printf("  Kafka is ready after %ds\n", int(time.Since(begun).Seconds()))
			return nil
		}
	}
	_ = k.end(syscall.SIGKILL)
	return fmt.Errorf("Apache Kafka is not ready after %v\n%s", kafkaTimeout, tail(k.log.String()))
}

// end sends the process a signal and waits for it. 143 is how a Java process ends on SIGTERM.
func (k *kafka) end(s syscall.Signal) error {
	if k.cmd == nil {
		return nil
	}
	_ = k.cmd.Process.Signal(s)
	err := k.cmd.Wait()
	if k.cmd.ProcessState.ExitCode() == 143 {
		err = nil
	}
	k.cmd = nil
	if err != nil && s != syscall.SIGKILL {
		return fmt.Errorf("Apache Kafka ended with %w\n%s", err, tail(k.log.String()))
	}
	return nil
}

// consume returns what Kafka's own consumer prints of the first records of a topic's partition 0, from whatever broker.
func (t *tool) consume(address, topic string, count int) (string, error) {
	args := []string{"--bootstrap-server", address, "--topic", topic, "--partition", "0", "--offset", "earliest", "--max-messages", fmt.Sprint(count), "--timeout-ms", "20000"}
	for _, property := range []string{"timestamp", "key", "offset", "headers"} {
		args = append(args, "--formatter-property", "print."+property+"=true")
	}
	cmd := brokers.Java(t.classpath, "org.apache.kafka.tools.consumer.ConsoleConsumer", args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if lines := bytes.Count(out, []byte("\n")); err == nil && lines != count {
		err = fmt.Errorf("%d lines", lines)
	}
	if err != nil {
		return "", fmt.Errorf("Kafka's consumer of %s, %d records: %w\n%s", topic, count, err, tail(said.String()))
	}
	return string(out), nil
}
