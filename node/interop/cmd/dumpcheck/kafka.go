package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaTimeout bounds a start, and a stop, of Apache Kafka.
const kafkaTimeout = 60 * time.Second

// kafka is Apache Kafka on one directory: broker and controller in one process, on loopback.
type kafka struct {
	tool       *tool
	dir        string // of its files; the log directory is dir/data
	release    string // "" for its own
	last       syscall.Signal
	address    string
	controller string
	cmd        *exec.Cmd
	log        bytes.Buffer
}

func (k *kafka) config() string { return filepath.Join(k.dir, "server.properties") }

func (k *kafka) data() string { return filepath.Join(k.dir, "data") }

// format writes the configuration and has Kafka format the directory.
func (k *kafka) format() error {
	text := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[1]s
listeners=PLAINTEXT://%[2]s,CONTROLLER://%[1]s
controller.listener.names=CONTROLLER
log.dirs=%[3]s
log.index.interval.bytes=2048
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
`, k.controller, k.address, k.data())
	if err := os.WriteFile(k.config(), []byte(text), 0o644); err != nil {
		return err
	}
	args := []string{"format", "--cluster-id", "k6qUWPH3RdG3PO1UTzc2Gw", "--config", k.config()}
	if k.release != "" {
		args = append(args, "--release-version", k.release)
	}
	out, err := k.java("kafka.tools.StorageTool", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("storage format: %w\n%s", err, out)
	}
	return nil
}

func (k *kafka) java(class string, args ...string) *exec.Cmd {
	return exec.Command("java", append([]string{"-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", k.tool.classpath, class}, args...)...)
}

// start runs the broker until its port answers a client.
func (k *kafka) start() error {
	k.log.Reset()
	k.cmd = k.java("kafka.Kafka", k.config())
	k.cmd.Stdout, k.cmd.Stderr, k.cmd.Dir = &k.log, &k.log, k.dir
	if err := k.cmd.Start(); err != nil {
		return err
	}
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

// transactions commits one and aborts one, for markers and a .txnindex, and leaves an offset of a group.
func transactions(ctx context.Context, address string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.TransactionalID("dumpcheck"), kgo.DefaultProduceTopic("transactional"), kgo.AllowAutoTopicCreation())
	if err != nil {
		return err
	}
	defer client.Close()
	for _, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		for i := range 10 {
			if err := client.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint("record ", i))).FirstErr(); err != nil {
				return err
			}
		}
		if err := client.EndTransaction(ctx, commit); err != nil {
			return err
		}
	}
	group, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("transactional"), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer group.Close()
	if err := group.PollFetches(ctx).Err(); err != nil {
		return err
	}
	return group.CommitUncommittedOffsets(ctx)
}

// write fills a directory by Apache Kafka in two lives, as a node of ours is made to fill one.
func (k *kafka) write() (*written, error) {
	w := &written{logs: map[string][]entry{}, foreign: true}
	if err := k.format(); err != nil {
		return nil, err
	}
	defer func() { _ = k.end(syscall.SIGKILL) }()
	for round := range 2 {
		if err := k.start(); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), roundTimeout)
		err := w.round(ctx, k.address, round)
		if err == nil && round == 1 {
			err = transactions(ctx, k.address)
		}
		cancel()
		if err != nil {
			return nil, fmt.Errorf("round %d: %w\n%s", round, err, tail(k.log.String()))
		}
		if err := k.end([]syscall.Signal{syscall.SIGTERM, k.last}[round]); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// checkKafka has Apache Kafka write a directory, and says what its own tool, our dump, and a node started on a copy of it make of that.
func checkKafka(binary string, tool *tool, dir, release string, kill bool) error {
	k := &kafka{tool: tool, dir: dir, release: release, last: syscall.SIGTERM, address: freeAddress(), controller: freeAddress()}
	if kill {
		k.last = syscall.SIGKILL
	}
	w, err := k.write()
	if err != nil {
		return err
	}
	if s, err := tool.judge(k.data(), w); err != nil {
		fmt.Printf("DumpLogSegments on Kafka's own directory: %v\n", err)
	} else {
		fmt.Printf("DumpLogSegments on Kafka's own directory: %d records in %d batches and %d .log files, %d other files: as produced, no complaint\n",
			s.records, s.batches, s.logs, s.others)
	}
	out, err := exec.Command(binary, "dump", "--verify", k.data()).CombinedOutput()
	fmt.Printf("odradek dump --verify: %d files, %s\n", bytes.Count(out, []byte("\tok\t")), result(err))
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "\tok\t") {
			fmt.Print("  ", line)
		}
	}
	copied := filepath.Join(dir, "copy")
	if err := os.CopyFS(copied, os.DirFS(k.data())); err != nil {
		return err
	}
	n := &node{binary: binary, data: copied, address: k.address, admin: freeAddress()}
	err = n.start()
	fmt.Printf("odradek serve on a copy: %s\n%s", result(err), once(n.log.String()))
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), roundTimeout)
		records, err := w.read(ctx, n.address)
		cancel()
		fmt.Printf("read from it: %d records, %s\n", records, result(err))
		err = n.end(syscall.SIGTERM)
		out, failed := exec.Command(binary, "dump", "--verify", copied).CombinedOutput()
		fmt.Printf("after a clean stop (%s), odradek dump --verify: %d files, %s\n", result(err), bytes.Count(out, []byte("\tok\t")), result(failed))
	}
	return nil
}

// read reads every partition that was written and compares each record.
func (w *written) read(ctx context.Context, address string) (records int, err error) {
	from := map[string]map[int32]kgo.Offset{}
	for folder, entries := range w.logs {
		if len(entries) > 0 {
			topic, partition := split(folder)
			if from[topic] == nil {
				from[topic] = map[int32]kgo.Offset{}
			}
			from[topic][partition] = kgo.NewOffset().AtStart()
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumePartitions(from))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	want := 0
	for _, entries := range w.logs {
		want += len(entries)
	}
	for records < want {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return records, err
		}
		for _, r := range fetches.Records() {
			entries := w.logs[fmt.Sprintf("%s-%d", r.Topic, r.Partition)]
			if r.Offset >= int64(len(entries)) || string(r.Key) != entries[r.Offset].key || string(r.Value) != entries[r.Offset].value {
				return records, fmt.Errorf("%s-%d at %d is not what was produced: %q", r.Topic, r.Partition, r.Offset, r.Value)
			}
			records++
		}
	}
	return records, nil
}

// split takes a folder's name apart at its last dash.
func split(folder string) (topic string, partition int32) {
	dash := strings.LastIndexByte(folder, '-')
	_, _ = fmt.Sscan(folder[dash+1:], &partition)
	return folder[:dash], partition
}

// once keeps one of the log lines that differ only in time and topic.
func once(log string) string {
	var b strings.Builder
	seen := map[string]bool{}
	for line := range strings.Lines(log) {
		var words []string
		for _, word := range strings.Fields(line) {
			if !strings.HasPrefix(word, "time=") && !strings.HasPrefix(word, "topic=") {
				words = append(words, word)
			}
		}
		if key := strings.Join(words, " "); !seen[key] {
			seen[key] = true
			b.WriteString("  " + strings.TrimRight(line, "\n") + "\n")
		}
	}
	return b.String()
}

func result(err error) string {
	if err == nil {
		return "ok"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
