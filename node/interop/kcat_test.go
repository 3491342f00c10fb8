package interop

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The delimiters that kcat splits its input at; no key or value holds them.
const (
	keyDelimiter    = 0x1f
	recordDelimiter = 0x1e
)

// allCodecs are the codecs of Kafka.
var allCodecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// TestKcat sends 200 000 records with kcat (librdkafka), a fifth with each codec, and reads them back twice with kcat and once with franz-go.
func TestKcat(t *testing.T) {
	if _, err := exec.LookPath("kcat"); err != nil {
		t.Skip("kcat is missing; get it with: apt-get install kcat")
	}
	n := start(t)
	topic := "kcat"
	createTopic(t, client(t, n), topic, partitions)
	var size int64
	for k, codec := range allCodecs {
		for p := range partitions {
			size += kcatSend(t, n, topic, k, p, codec)
		}
	}
	t.Logf("%d records, %d MB of keys and values", recordCount, size>>20)
	if size > 300<<20 {
		t.Errorf("%d bytes are more than the 300 MB that this test may send", size)
	}
	first := kcatRead(t, n, topic)
	if second := kcatRead(t, n, topic); first != second {
		t.Errorf("a second read differs from the first:\n%x\n%x", first, second)
	}
	readAll(t, n, topic, func(i int) *kgo.Record { return makeKcatRecord(topic, i) })
	n.stop()
	n.run()
	if again := kcatRead(t, n, topic); first != again {
		t.Errorf("after a restart the read differs from the first:\n%x\n%x", first, again)
	}
}

// makeKcatRecord is a record that kcat can be told: no delimiter in it, no empty but null ones, and the headers of its run.
func makeKcatRecord(topic string, i int) *kgo.Record {
	r := makeRecord(topic, 2, i)
	r.Timestamp = time.Time{} // kcat's own
	for at, b := range r.Value {
		if b == keyDelimiter || b == recordDelimiter {
			r.Value[at] = '.'
		}
	}
	run := i / (recordCount / len(allCodecs))
	r.Headers = nil
	for h := range (run + i%partitions) % 3 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: fmt.Sprintf("h%d", h), Value: fmt.Appendf(nil, "run-%d", run)})
	}
	return r
}

// kcatSend gives kcat the k-th fifth of a partition's records, and returns how many bytes of keys and values that was.
func kcatSend(t *testing.T, n *node, topic string, k, p int, codec string) (size int64) {
	t.Helper()
	args := []string{"-P", "-b", n.address, "-t", topic, "-p", strconv.Itoa(p), "-z", codec, "-Z", "-K", `\x1f`, "-D", `\x1e`,
		"-X", "acks=all", "-X", "queue.buffering.max.ms=5", "-X", fmt.Sprintf("enable.idempotence=%t", k%2 == 0)}
	each := recordCount / len(allCodecs)
	for _, h := range makeKcatRecord(topic, k*each+p).Headers {
		args = append(args, "-H", h.Key+"="+string(h.Value))
	}
	cmd := exec.Command("kcat", args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriterSize(in, 1<<20)
	for i := k*each + p; i < (k+1)*each; i += partitions {
		r := makeKcatRecord(topic, i)
		size += int64(len(r.Key) + len(r.Value))
		out.Write(r.Key)
		out.WriteByte(keyDelimiter)
		out.Write(r.Value)
		out.WriteByte(recordDelimiter)
	}
	if err := out.Flush(); err != nil {
		t.Errorf("kcat stopped reading: %v", err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil || said.Len() > 0 {
		t.Fatalf("kcat -P, %s, partition %d: %v\n%s", codec, p, err, said.String())
	}
	return size
}

// kcatRead reads the topic from its start to its end, compares every record, per partition in order, and returns a hash of each partition's output.
func kcatRead(t *testing.T, n *node, topic string) (hashes [partitions][sha256.Size]byte) {
	t.Helper()
	// Lengths first, since keys and values hold any byte. The order between partitions is kcat's affair.
	cmd := exec.Command("kcat", "-C", "-b", n.address, "-t", topic, "-o", "beginning", "-e", "-q", "-f", `%p %o %T %K %S %h\n%k%s`)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReaderSize(pipe, 1<<20)
	r := reading{t: t, wanted: func(i int) *kgo.Record { return makeKcatRecord(topic, i) }}
	sums := [partitions]io.Writer{}
	for p := range sums {
		sums[p] = sha256.New()
	}
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF && line == "" {
			break
		} else if err != nil {
			t.Fatalf("after %d records: %q: %v", r.total, line, err)
		}
		p, got := kcatParse(t, line, in)
		r.take(got)
		io.WriteString(sums[p], line)
		sums[p].Write(got.Key)
		sums[p].Write(got.Value)
	}
	if err := cmd.Wait(); err != nil || said.Len() > 0 {
		t.Fatalf("kcat -C: %v\n%s", err, said.String())
	}
	if !r.done() {
		t.Fatalf("kcat read %d records of %d: %v", r.total, recordCount, r.next)
	}
	for p := range sums {
		copy(hashes[p][:], sums[p].(interface{ Sum([]byte) []byte }).Sum(nil))
	}
	return hashes
}

// kcatParse turns one line of kcat's, and the bytes behind it, into a record.
func kcatParse(t *testing.T, line string, in io.Reader) (partition int, r *kgo.Record) {
	t.Helper()
	fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 6)
	var numbers [5]int64
	if len(fields) != 6 {
		t.Fatalf("kcat printed %q", line)
	}
	for i := range numbers {
		var err error
		if numbers[i], err = strconv.ParseInt(fields[i], 10, 64); err != nil {
			t.Fatalf("kcat printed %q: %v", line, err)
		}
	}
	bytesOf := func(n int64) []byte {
		if n < 0 {
			return nil
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(in, b); err != nil {
			t.Fatalf("kcat ended inside a record: %v", err)
		}
		return b
	}
	r = &kgo.Record{Partition: int32(numbers[0]), Offset: numbers[1], Timestamp: time.UnixMilli(numbers[2])}
	r.Key, r.Value = bytesOf(numbers[3]), bytesOf(numbers[4])
	for _, h := range strings.Split(fields[5], ",") {
		if key, value, ok := strings.Cut(h, "="); ok {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
		}
	}
	return int(numbers[0]), r
}

// TestKcatNull sends what has no bytes at all: null and empty are kept apart.
func TestKcatNull(t *testing.T) {
	if _, err := exec.LookPath("kcat"); err != nil {
		t.Skip("kcat is missing; get it with: apt-get install kcat")
	}
	n := start(t)
	c := client(t, n)
	createTopic(t, c, "null", 1)
	rng := rand.New(rand.NewPCG(1, 1))
	some := []byte(strconv.FormatUint(rng.Uint64(), 36))
	for _, r := range []*kgo.Record{{}, {Key: []byte{}}, {Value: []byte{}}, {Key: []byte{}, Value: []byte{}}, {Key: some}, {Value: some}} {
		r.Topic = "null"
		if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("kcat", "-C", "-b", n.address, "-t", "null", "-o", "beginning", "-e", "-q", "-f", `%o %K %S\n`).CombinedOutput()
	want := fmt.Sprintf("0 -1 -1\n1 0 -1\n2 -1 0\n3 0 0\n4 %d -1\n5 -1 %d\n", len(some), len(some))
	if err != nil || string(out) != want {
		t.Errorf("%v, kcat read\n%swant\n%s", err, out, want)
	}
}
