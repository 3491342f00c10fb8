package interop

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The tests TestOutside… drive clients that are no Go modules. scripts/foreign-clients runs them, and gets what they need.

// tool runs a script of scripts/ that fetches something and prints where it is, and skips the test where it says that it cannot.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join("..", "..", "scripts", name), args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 3 {
		t.Skip(strings.TrimSpace(said.String()))
	}
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, said.String())
	}
	return strings.TrimSpace(string(out))
}

// program is a client in another language.
type program struct {
	args []string // its interpreter and file
	env  []string
}

func (p *program) command(t *testing.T, args ...string) *exec.Cmd {
	all := append(append([]string{}, p.args...), args...)
	cmd := exec.CommandContext(deadline(t, 3*time.Minute), all[0], all[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	return cmd
}

// send gives a program the records of a run, and returns what it prints.
func (p *program) send(t *testing.T, r run, record func(i int) *kgo.Record, args ...string) string {
	t.Helper()
	cmd := p.command(t, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(in, 1<<20)
	for i := r.from; i < r.to; i++ {
		writeRecord(w, record(i))
	}
	flushed := w.Flush()
	in.Close()
	if err := cmd.Wait(); err != nil || flushed != nil {
		t.Fatalf("%v: %v: %v, %v\n%s", args, r, err, flushed, tail(said.String(), 4000))
	}
	return strings.TrimSpace(out.String())
}

// read compares what a program reads with what was sent.
func (p *program) read(t *testing.T, wanted func(i int) *kgo.Record, args ...string) {
	t.Helper()
	cmd := p.command(t, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	in := &recordReader{in: bufio.NewReaderSize(out, 1<<20)}
	r := reading{t: t, wanted: wanted}
	for got := in.next(); got != nil; got = in.next() {
		r.take(got)
	}
	if err := cmd.Wait(); err != nil || in.err != nil || !r.done() {
		t.Fatalf("%v: after %d records: %v, %v\n%s", args, r.total, err, in.err, tail(said.String(), 4000))
	}
}

// answers runs a program that prints lines "name<TAB>result" and compares them with the wanted ones, in their order.
func (p *program) answers(t *testing.T, want [][2]string, args ...string) {
	t.Helper()
	cmd := p.command(t, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%v: %v\n%s", args, err, tail(said.String(), 4000))
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	for i, w := range want {
		if i >= len(lines) {
			t.Fatalf("%v: no line for %q", args, w[0])
		}
		if lines[i] != w[0]+"\t"+w[1] {
			t.Errorf("%v: %q, want %q", args, lines[i], w[0]+"\t"+w[1])
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%v: %d lines, want %d: %q", args, len(lines), len(want), lines[min(len(lines), len(want)):])
	}
}

// sendAndRead sends 200 000 records, a tenth with each codec, idempotent and not, and reads them back with the same client and with franz-go.
func sendAndRead(t *testing.T, p *program, topic string, record func(i int) *kgo.Record) {
	t.Helper()
	n := start(t)
	createTopic(t, client(t, n), topic, partitions)
	for _, r := range runs(allCodecs, true, false) {
		if acked := p.send(t, r, record, "send", n.address, topic, r.codec, strconv.FormatBool(r.idempotent)); acked != strconv.Itoa(r.to-r.from) {
			t.Fatalf("%v: %s acknowledged", r, acked)
		}
	}
	readAll(t, n, topic, record)
	p.read(t, record, "read", n.address, topic, strconv.Itoa(recordCount))
}

// noNullHeaders is for clients that cannot send a null header value.
func noNullHeaders(r *kgo.Record) *kgo.Record {
	for h := range r.Headers {
		if r.Headers[h].Value == nil {
			r.Headers[h].Value = []byte{}
		}
	}
	return r
}
