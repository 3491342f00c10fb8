package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// output collects what a command prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func flagsFor(data string, set ...string) *serveFlags {
	return &serveFlags{data: data, set: append([]string{"listeners=PLAINTEXT://127.0.0.1:0", "admin.listener="}, set...)}
}

// serving runs a node until the returned function is called, as SIGTERM would end it.
func serving(t *testing.T, f *serveFlags) (end func() error, out *output) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	out = new(output)
	done := make(chan error, 1)
	go func() { done <- serve(ctx, f, out) }()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(out.String(), "Odradek is ready"); time.Sleep(time.Millisecond) {
		select {
		case err := <-done:
			t.Fatalf("the node ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the node is not ready after 10 s:\n%s", out)
		}
	}
	return func() error { cancel(); return <-done }, out
}

// wantRefused demands that serve fails, with words that tell what to do.
func wantRefused(t *testing.T, f *serveFlags, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := serve(ctx, f, new(output))
	if err == nil {
		t.Errorf("served, want an error with %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestServe(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new", "data")
	end, out := serving(t, flagsFor(data))
	for _, want := range []string{"127.0.0.1:", data, "durable: acks=1 and acks=all wait for fsync"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the banner does not say %q:\n%s", want, out)
		}
	}
	wantRefused(t, flagsFor(data), data, "in use by another process", "--data")
	if err := end(); err != nil {
		t.Fatalf("a clean stop: %v", err)
	}
	if !strings.Contains(out.String(), "stopped") {
		t.Errorf("the stop is not told:\n%s", out)
	}
	wantRefused(t, flagsFor(data, "node.id=3"), data, "node 1", "node.id=1")
	end, out = serving(t, flagsFor(data, "log.flush.interval.messages=500"))
	if !strings.Contains(out.String(), "relaxed: records are acknowledged before fsync (flush.messages=500)") {
		t.Errorf("the banner hides what an acknowledgement means:\n%s", out)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(data)); len(left) != 1 {
		t.Errorf("a clean life leaves %d things beside the data", len(left))
	}
}

func TestWrongConfiguration(t *testing.T) {
	for set, words := range map[string][]string{
		"num.partition=3":             {`"num.partition"`, `"num.partitions"`},
		"listener=PLAINTEXT://:9":     {`"listener"`, `"listeners"`},
		"log.flush.interval.message=": {`"log.flush.interval.messages"`},
		"num.partitions=many":         {"num.partitions", "many"},
		"num.partitions=0":            {"num.partitions", "1"},
		"num.partitions":              {"num.partitions", "key=value"},
		"process.roles=broker":        {"controller.quorum.voters", "ID@HOST:PORT"},
		"process.roles=worker":        {"process.roles", "broker nor controller"},
		"listeners=SSL://h:1":         {"SSL", "PLAINTEXT"},
		"metadata.log.dir=b":          {"metadata.log.dir", "the first"},
	} {
		data := filepath.Join(t.TempDir(), "data")
		f := flagsFor(data)
		f.set = append(f.set, set)
		wantRefused(t, f, words...)
		if _, err := os.Stat(data); err == nil {
			t.Errorf("%s: the data directory was made", set)
		}
	}
}

func TestTakenAdminAddress(t *testing.T) {
	f := flagsFor(filepath.Join(t.TempDir(), "data"))
	f.set = append(f.set, "admin.listener=192.0.2.1:1")
	wantRefused(t, f, "admin.listener", "192.0.2.1:1", "--set")
}

// Several directories: one that is named twice is refused, whatever it is called; one that cannot be made is given up, but not the first.
func TestLogDirs(t *testing.T) {
	root := t.TempDir()
	a, b, file := filepath.Join(root, "a"), filepath.Join(root, "b"), filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f := flagsFor("", "log.dirs="+a+","+b+","+file+"/c")
	end, out := serving(t, f)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{a, b} {
		if _, err := os.Stat(filepath.Join(dir, "meta.properties")); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(out.String(), "log directory given up") || !strings.Contains(out.String(), file+"/c") {
		t.Errorf("nothing is said of the third directory:\n%s", out)
	}
	if err := os.Symlink(a, filepath.Join(root, "again")); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, flagsFor("", "log.dirs="+a+","+filepath.Join(root, "again")), "same directory", "again")
	wantRefused(t, flagsFor("", "log.dirs="+file+"/c,"+a), file+"/c")
}
