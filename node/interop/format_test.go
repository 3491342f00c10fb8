package interop

import (
	"fmt"
	"math/rand"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/clientlib"
	"odradek/clientlib/cli/format"
)

// pieces that layouts are made of; each is complete.
var pieces = strings.Fields(`%t %T %k %K %v %V %H %p %o %e %i %x %y %[ %| %] %d %% %{ %} \t \n \\ \x7f \xe9 text é
	%t{hex} %k{base64} %v{base64raw} %v{} %v{unpack[>bBhH]} %v{unpack{<iIqQ}} %k{unpack(c.s)} %v{unpack##x>h$##} %v{unpack[$]} %k{unpack[cccccccc]}
	%o{hex} %o{hex64} %o{hex32} %p{hex16} %e{hex8} %e{hex4} %o{big64} %V{big32} %V{big16} %V{big8} %o{little64} %o{little32} %o{little16} %o{little8} %o{byte} %o{bool} %H{bool} %x{number} %y{ascii}
	%d{hex} %d{big64} %d{go[2006-01-02T15:04:05.000Z07:00]} %d{go##Monday##} %d{strftime[%a%A%b%B%h%c%C]} %d{strftime[%d%D%e%F%G%g%H%I%j]} %d{strftime(%k%l%m%M%n%p%P%r%R)}
	%d{strftime[%s%S%t%T%u%U%V%w%W%x%X%y%Y%z%Z%+%%%Ey%OY%q]}
	%a{compression} %a{compression;number} %a{compression;hex8} %a{transactional-bit} %a{transactional-bit;bool} %a{control-bit} %a{control-bit;big16}
	%h{%k=%v;} %h{%K%V%{%}%k{hex}} %h{} %h{%t%i}`)

// wrong are layouts that neither takes, and some that both do.
var wrong = strings.Fields(`% %q %h %a %a{} %a{x} %a{compression;x} %o{ %o{} %o{x} %v{ %v{x} %v{unpack} %v{unpack[} %v{unpack[z]} %v{unpack[ss]} %v{unpack[$b]} %v{unpack[b] %d{x} %d{go} %d{go[x} %d{strftime[x] %h{%k
	\q \x \x4 \xzz \ %d{go[]} %v{unpack[]} a%% { }`)

// The layouts of odradek consume -f are rpk's, which are kgo's: the same bytes for any record.
func TestFormatIsRpks(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	both := func(layout string) (string, string) {
		ours, ourErr := format.RPK(layout)
		theirs, theirErr := kgo.NewRecordFormatter(layout)
		if (ourErr == nil) != (theirErr == nil) {
			t.Fatalf("%s: ours %v, kgo's %v", layout, ourErr, theirErr)
		}
		if ourErr != nil {
			return "", ""
		}
		var a, b []byte
		for range 3 {
			f, record := someRecord(r)
			p := &kgo.FetchPartition{Partition: f.Partition, LogStartOffset: f.LogStart, LastStableOffset: f.LastStable, HighWatermark: f.HighWatermark}
			a, b = ours.Append(a, f, record), theirs.AppendPartitionRecord(b, p, kgos(record))
		}
		return string(a), string(b)
	}
	for _, p := range append(append([]string{}, pieces...), wrong...) {
		if a, b := both(p); a != b {
			t.Errorf("%s: ours %q, kgo's %q", p, a, b)
		}
	}
	for range 20_000 {
		layout := ""
		for range r.Intn(6) {
			layout += pieces[r.Intn(len(pieces))]
		}
		if a, b := both(layout); a != b {
			t.Fatalf("%s: ours %q, kgo's %q", layout, a, b)
		}
	}
}

func someRecord(r *rand.Rand) (*clientlib.Fetched, *clientlib.Consumed) {
	some := func() []byte {
		b := make([]byte, r.Intn(20))
		r.Read(b)
		return b
	}
	c := &clientlib.Consumed{Topic: "topic-é", Partition: r.Int31n(20), Offset: r.Int63n(1 << r.Intn(63)), LeaderEpoch: r.Int31n(9) - 1, Timestamp: time.UnixMilli(r.Int63n(4_000_000_000_000)), Key: some(), Value: some(),
		ProducerID: r.Int63n(99) - 1, ProducerEpoch: int16(r.Intn(9) - 1)}
	for i := range r.Intn(4) {
		c.Headers = append(c.Headers, clientlib.Header{Key: fmt.Sprint("h", i), Value: some()})
	}
	return &clientlib.Fetched{Partition: c.Partition, LogStart: r.Int63n(99), LastStable: r.Int63n(99), HighWatermark: r.Int63n(99)}, c
}

func kgos(c *clientlib.Consumed) *kgo.Record {
	k := &kgo.Record{Topic: c.Topic, Partition: c.Partition, Offset: c.Offset, LeaderEpoch: c.LeaderEpoch, Timestamp: c.Timestamp, Key: c.Key, Value: c.Value, ProducerID: c.ProducerID, ProducerEpoch: c.ProducerEpoch}
	for _, h := range c.Headers {
		k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return k
}

// The layouts of odradek consume --kcat -f are kcat's: the same output from the same topic.
func TestFormatIsKcats(t *testing.T) {
	if _, err := exec.LookPath("kcat"); err != nil {
		t.Skip("kcat is missing; get it with: apt-get install kcat")
	}
	at := start(t).address
	odradek, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, in string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
		}
		return string(out)
	}
	run(odradek, "", "topic", "create", "t", "-p", "1", "--bootstrap", at)
	run("kcat", "k1:one\nk2:\n:three\n", "-b", at, "-t", "t", "-P", "-K", ":", "-Z", "-H", "a=1", "-H", "b=", "-H", "c")
	run("kcat", "plain\n", "-b", at, "-t", "t", "-P")
	for _, layout := range []string{`%t [%p] %o: %k=%s\n`, `%K %S %T\n`, `%R|%h|%%\n`, `%h\t%s\x41\n`, `no verb\n`} {
		theirs := run("kcat", "", "-b", at, "-t", "t", "-C", "-e", "-q", "-o", "beginning", "-f", layout)
		ours := run(odradek, "", "consume", "t", "--kcat", "-f", layout, "--bootstrap", at)
		if ours != theirs {
			t.Errorf("%s: ours %q, kcat's %q", layout, ours, theirs)
		}
	}
}
