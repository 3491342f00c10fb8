package interop

import (
	"bufio"
	"context"
	enc "encoding/binary"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/node/interop/brokers"
)

// application is what a client saw: records numbered from 0, sent round robin to all partitions, and read by the same client at the same time.
type application struct {
	mu    sync.Mutex
	sent  uint64
	acked uint64
	next  [partitions]int64 // offset to be read
	read  map[uint64]bool
	errs  []string
}

func newApplication() *application { return &application{read: map[uint64]bool{}} }

// number begins a record.
func (a *application) number() (n uint64, value []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent++
	return a.sent - 1, enc.BigEndian.AppendUint64(nil, a.sent-1)
}

func (a *application) acknowledged(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.errs = append(a.errs, "sending: "+err.Error())
		return
	}
	a.acked++
}

func (a *application) failed(what string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.errs = append(a.errs, what+": "+err.Error())
}

// got takes a record that was read: the next of its partition, and one that was not read before.
func (a *application) got(partition int32, offset int64, value []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := enc.BigEndian.Uint64(value)
	if offset != a.next[partition] || a.read[n] {
		a.errs = append(a.errs, fmt.Sprintf("reading: partition %d gives record %d at offset %d after offset %d; read before: %t", partition, n, offset, a.next[partition]-1, a.read[n]))
	}
	a.next[partition], a.read[n] = offset+1, true
}

// complete reports whether everything that was sent has been read.
func (a *application) complete() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.errs) > 0 || a.acked == a.sent && uint64(len(a.read)) == a.sent
}

// rollingTime bounds the time in which the rest is acknowledged and read.
const rollingTime = 30 * time.Second

// rollingClients run an application until sending ends, and then until it has read all.
var rollingClients = map[string]func(bootstrap []string, topic string, sending context.Context) *application{"franz": rollingFranz}

func rollingFranz(bootstrap []string, topic string, sending context.Context) *application {
	a := newApplication()
	producer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		a.failed("producer", err)
		return a
	}
	defer producer.Close()
	consumer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		a.failed("consumer", err)
		return a
	}
	defer consumer.Close()
	reading, enough := context.WithCancel(context.Background())
	var reader sync.WaitGroup
	reader.Go(func() {
		for reading.Err() == nil {
			fetched := consumer.PollFetches(reading)
			fetched.EachError(func(_ string, _ int32, err error) {
				if reading.Err() == nil {
					a.failed("reading", err)
				}
			})
			fetched.EachRecord(func(r *kgo.Record) { a.got(r.Partition, r.Offset, r.Value) })
		}
	})
	for sending.Err() == nil {
		n, value := a.number()
		producer.Produce(context.Background(), &kgo.Record{Topic: topic, Partition: int32(n % partitions), Value: value}, func(_ *kgo.Record, err error) { a.acknowledged(err) })
		time.Sleep(time.Millisecond)
	}
	for late := time.Now().Add(rollingTime); !a.complete() && time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
	}
	enough()
	reader.Wait()
	return a
}

// TestRollingRestart restarts all nodes of a cluster in turn while applications with the defaults of their clients write (idempotent, acks=all) and read: none sees an error, nothing is
// lost and nothing is there twice.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	rolling(t, rollingClients)
}

// TestOutsideJavaRollingRestart is the same with Apache Kafka's own clients.
func TestOutsideJavaRollingRestart(t *testing.T) {
	client := javaClient(t)
	rolling(t, map[string]func([]string, string, context.Context) *application{"java": func(bootstrap []string, topic string, sending context.Context) *application {
		return rollingJava(client.command(t, "rolling", strings.Join(bootstrap, ","), topic), sending)
	}})
}

// rollingJava has the process send until its input ends. It prints a line for each record that it has read, and one for each error.
func rollingJava(cmd *exec.Cmd, sending context.Context) *application {
	a := newApplication()
	in, err := cmd.StdinPipe()
	if err != nil {
		a.failed("java", err)
		return a
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		a.failed("java", err)
		return a
	}
	if err := cmd.Start(); err != nil {
		a.failed("java", err)
		return a
	}
	go func() { <-sending.Done(); _ = in.Close() }()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var partition int32
		var offset int64
		var n uint64
		switch what, rest, _ := strings.Cut(lines.Text(), " "); what {
		case "read":
			_, err := fmt.Sscan(rest, &partition, &offset, &n)
			if err != nil {
				a.failed(rest, err)
				continue
			}
			a.got(partition, offset, enc.BigEndian.AppendUint64(nil, n))
		case "sent":
			if _, err := fmt.Sscan(rest, &a.sent, &a.acked); err != nil {
				a.failed(rest, err)
			}
		default:
			a.failed(what, fmt.Errorf("%s", rest))
		}
	}
	if err := cmd.Wait(); err != nil {
		a.failed("java", err)
	}
	return a
}

// rolling runs all applications through a rolling restart.
func rolling(t *testing.T, applications map[string]func([]string, string, context.Context) *application) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c, err := brokers.StartCluster(path, dir, brokers.Loopback(3, dir), nil)
	t.Cleanup(func() {
		c.End()
		if t.Failed() {
			for _, m := range c.Nodes {
				t.Logf("%s:\n%s", m.Name, tail(m.Said(), 3000))
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	looks, err := kgo.NewClient(kgo.SeedBrokers(c.Bootstrap()...), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(looks.Close)
	var topics []string
	for name := range applications { // any order: each has a topic of its own
		topics = append(topics, name)
		createWhole(t, c, looks, name)
	}
	sending, enough := context.WithCancel(context.Background())
	defer enough()
	ended := map[string]chan *application{}
	for name, run := range applications { // any order: all run at once
		done := make(chan *application, 1)
		ended[name] = done
		go func() { done <- run(c.Bootstrap(), name, sending) }()
	}
	time.Sleep(2 * time.Second)
	for _, m := range c.Nodes {
		begun := time.Now()
		if err := m.Stop(30 * time.Second); err != nil {
			t.Fatal(err)
		}
		stopped := time.Since(begun)
		if err := m.Again(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.AwaitInSync(deadline(t, time.Minute), looks, topics...); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s stopped in %d ms, and all replicas were in sync %d ms after that", m.Name, stopped.Milliseconds(), (time.Since(begun) - stopped).Milliseconds())
		time.Sleep(time.Second)
	}
	enough()
	for name, done := range ended { // any order: each is judged by itself
		a := <-done
		t.Logf("%s: %d sent, %d acknowledged, %d read, %d errors", name, a.sent, a.acked, len(a.read), len(a.errs))
		for _, e := range a.errs[:min(len(a.errs), 5)] {
			t.Errorf("%s: %s", name, e)
		}
		if a.sent < 1000 || a.acked != a.sent || uint64(len(a.read)) != a.sent {
			t.Errorf("%s: %d sent, %d acknowledged, %d read", name, a.sent, a.acked, len(a.read))
		}
	}
}

// createWhole makes a topic of three replicas, and waits until all are in sync.
func createWhole(t *testing.T, c *brokers.Cluster, client *kgo.Client, topic string) {
	t.Helper()
	ctx := deadline(t, time.Minute)
	for {
		made, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 3, nil, topic)
		if err == nil && made.Err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("%s: %v %v", topic, err, made.Err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if _, err := c.AwaitInSync(ctx, client, topic); err != nil {
		t.Fatal(err)
	}
}
