package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"odradek/node/interop/brokers"
)

// dirCase is one way in which Kafka leaves a directory.
type dirCase struct {
	name      string
	release   string // with whose metadata.version Kafka formats; "": its own
	last      syscall.Signal
	dynamic   bool // the voters are in the log
	snapshots bool // Kafka writes snapshots of the metadata
	compact   bool // one topic is compacted, so that there are gaps between its segments
	unused    bool // formatted, and Kafka never ran on it
	ours      bool // a node of ours made the directory, and Kafka only opens it
}

var dirCases = []dirCase{
	{name: "clean", snapshots: true, last: syscall.SIGTERM},
	{name: "kill", dynamic: true, last: syscall.SIGKILL},
	{name: "plain", last: syscall.SIGTERM},
	{name: "4.2", release: "4.2-IV1", dynamic: true, snapshots: true, last: syscall.SIGKILL},
	{name: "4.0", release: "4.0-IV3", last: syscall.SIGTERM},
	{name: "3.3", release: "3.3-IV3", last: syscall.SIGKILL},
	{name: "formatted", unused: true},
	{name: "standalone", unused: true, dynamic: true},
	{name: "ours", ours: true},
	{name: "compacted", compact: true, last: syscall.SIGTERM},
}

// checkKafka runs cases: Kafka writes a directory, a node of ours opens it, writes to it and stops, and Kafka opens it again. At each step clients must see the
// same topics, offsets and records.
func checkKafka(binary string, tool *tool, keep, names string) error {
	root := keep
	if root == "" {
		var err error
		if root, err = os.MkdirTemp("", "kafkadir"); err != nil {
			return err
		}
		defer os.RemoveAll(root)
	}
	for name := range strings.SplitSeq(names, ",") {
		known := false
		for _, c := range dirCases {
			if c.name != name && names != "all" {
				continue
			}
			known = true
			dir, err := filepath.Abs(filepath.Join(root, c.name))
			if err == nil {
				err = os.MkdirAll(dir, 0o755)
			}
			started := time.Now()
			if err == nil {
				err = c.run(binary, tool, dir)
			}
			if err != nil {
				return fmt.Errorf("case %s: %w", c.name, err)
			}
			fmt.Printf("case %s passed in %ds\n", c.name, int(time.Since(started).Seconds()))
		}
		if !known {
			return fmt.Errorf("no case is named %q", name)
		}
	}
	return nil
}

func (c *dirCase) run(binary string, tool *tool, dir string) error {
	k := &kafka{tool: tool, dir: dir, release: c.release, dynamic: c.dynamic, snapshots: c.snapshots, address: brokers.FreeAddress(), controller: brokers.FreeAddress()}
	defer func() { _ = k.end(syscall.SIGKILL) }()
	// Little of the metadata log stays, so that Kafka has to go on from a snapshot of ours.
	n := &node{binary: binary, data: k.data(), address: brokers.FreeAddress(), admin: brokers.FreeAddress(), set: []string{"metadata.log.segment.bytes=500", "metadata.max.retention.bytes=1",
		"metadata.log.max.record.bytes.between.snapshots=100"}}
	defer func() { _ = n.end(syscall.SIGKILL) }()
	if err := k.configure(); err != nil {
		return err
	}
	var before *contents
	if !c.ours {
		if err := k.format(); err != nil {
			return err
		}
	}
	if !c.ours && !c.unused {
		if err := k.start(); err != nil {
			return err
		}
		var err error
		if before, err = c.fill(k); err != nil {
			return err
		}
		if err = k.end(c.last); err != nil {
			return err
		}
		if err := verify(binary, k.data(), "Kafka's directory"); err != nil {
			return err
		}
	}
	after, err := c.openOurs(tool, n, before)
	if err != nil {
		return err
	}
	if err := verify(binary, k.data(), "our directory"); err != nil {
		return err
	}
	if err := tool.judgeAll(k.data()); err != nil {
		return err
	}
	if all, err := filepath.Glob(filepath.Join(k.data(), metadataFolder, "*.checkpoint")); err != nil || len(all) != 1 {
		return fmt.Errorf("our node left the snapshots %v, want one: %v", all, err)
	}
	if _, err := os.Stat(filepath.Join(k.data(), metadataFolder, fmt.Sprintf("%020d.log", 0))); err == nil {
		return errors.New("our node left the metadata log whole, though a snapshot is there")
	}
	return c.backToKafka(k, n, before, after)
}

// fill has Kafka write what a directory may hold, and returns what clients see of it when nothing moves any more.
func (c *dirCase) fill(k *kafka) (*contents, error) {
	ctx, cancel := context.WithTimeout(context.Background(), roundTimeout)
	defer cancel()
	if err := fillKafka(ctx, k.address, c.compact); err != nil {
		return nil, fmt.Errorf("Kafka's writing: %w\n%s", err, tail(k.log.String()))
	}
	var last *contents
	for {
		now, err := see(ctx, k.address, true, true)
		if err != nil {
			return nil, fmt.Errorf("reading from Kafka: %w", err)
		}
		moves := now.worked(c.compact)
		if moves == nil && last != nil {
			if moves = now.same(last, false); moves == nil {
				fmt.Printf("  Kafka: %d topics, %d records\n", len(now.ids), now.count())
				now.printed, err = k.tool.consume(k.address, consumedTopic, consumedCount)
				return now, err
			}
		}
		last = now
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("Kafka does not come to rest: %w: %v", ctx.Err(), moves)
		case <-time.After(1500 * time.Millisecond): // its cleaner and its retention look every 200 and 500 ms
		}
	}
}

// consumedTopic is what Kafka's own consumer reads beside the foreign client: compressed by the broker, with its times, and written only before.
const (
	consumedTopic = "appended"
	consumedCount = 1000
)

// printsSame demands that Kafka's own consumer prints what it printed before.
func (c *contents) printsSame(t *tool, address string) error {
	printed, err := t.consume(address, consumedTopic, consumedCount)
	if err == nil && printed != c.printed {
		err = errors.New("Kafka's consumer prints other records than before")
	}
	return err
}

// worked demands that retention and the cleaner have done something: else the check would look at less than it says.
func (c *contents) worked(compact bool) error {
	if c.logs["retained-0"].earliest == 0 {
		return errors.New("retention has not worked yet")
	}
	if gaps := c.logs["compacted-0"]; compact && int64(len(gaps.records)) == gaps.latest {
		return errors.New("the cleaner has not worked yet")
	}
	return nil
}

// openOurs opens the directory with our node, compares, writes to it and stops it in order. It returns what clients saw last.
func (c *dirCase) openOurs(tool *tool, n *node, before *contents) (*contents, error) {
	if err := n.start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), roundTimeout)
	defer cancel()
	if before != nil {
		now, err := see(ctx, n.address, false, false)
		if err == nil {
			err = now.same(before, false)
		}
		if err != nil {
			return nil, fmt.Errorf("our node on Kafka's directory: %w\n%s", err, tail(once(n.log.String())))
		}
		if err := before.printsSame(tool, n.address); err != nil {
			return nil, fmt.Errorf("our node on Kafka's directory: %w", err)
		}
		if err := c.saysWhatIsLeft(n.log.String()); err != nil {
			return nil, err
		}
	}
	if err := fillOurs(ctx, n.address, before == nil); err != nil {
		return nil, fmt.Errorf("our node's writing: %w\n%s", err, tail(once(n.log.String())))
	}
	after, err := see(ctx, n.address, false, false)
	if err != nil {
		return nil, err
	}
	fmt.Printf("  Odradek: %d topics, %d records\n%s", len(after.ids), after.count(), once(n.log.String()))
	return after, n.end(syscall.SIGTERM)
}

// saysWhatIsLeft demands the lines that name what is not taken over.
func (c *dirCase) saysWhatIsLeft(log string) error {
	access := []string{"access-not-enforced", "scram-credentials=1"}
	if c.release == "3.3-IV3" { // Kafka keeps credentials from 3.5 on
		access = nil
	}
	for _, words := range [][]string{{"topic-config-ignored topic=__consumer_offsets", "cleanup.policy="}, {"not-taken-over", "__consumer_offsets=", "__transaction_state=", "client-quotas=1"}, access} {
		if !slices.ContainsFunc(strings.Split(log, "\n"), func(line string) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
		}) {
			return fmt.Errorf("no line of the log has %q:\n%s", words, once(log))
		}
	}
	return nil
}

// backToKafka has Kafka open what our node wrote: it must serve the same, know its configs and groups again, and take new records.
func (c *dirCase) backToKafka(k *kafka, n *node, before, after *contents) error {
	if err := k.start(); err != nil {
		return fmt.Errorf("going back: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), roundTimeout)
	defer cancel()
	now, err := see(ctx, k.address, true, before != nil)
	if err == nil {
		err = now.same(after, true)
	}
	if err != nil {
		return fmt.Errorf("Kafka on our directory: %w\n%s", err, tail(k.log.String()))
	}
	if before != nil {
		for topic, want := range before.configs {
			if got, ok := now.configs[topic]; ok && !maps.Equal(got, want) {
				return fmt.Errorf("Kafka on our directory: configs of %s are %v, were %v", topic, got, want)
			}
		}
		if err := before.printsSame(k.tool, k.address); err != nil {
			return fmt.Errorf("Kafka on our directory: %w", err)
		}
		if !maps.Equal(now.offsets, before.offsets) || len(now.offsets) == 0 {
			return fmt.Errorf("Kafka on our directory: the group's offsets are %v, were %v", now.offsets, before.offsets)
		}
	}
	if err := produceSome(ctx, k.address, "plain", 100); err != nil {
		return fmt.Errorf("Kafka on our directory takes no records: %w", err)
	}
	fmt.Printf("  Kafka again: %d topics, %d records\n", len(now.ids), now.count())
	return k.end(syscall.SIGTERM)
}

func verify(binary, data, whose string) error {
	out, err := exec.Command(binary, "dump", "--verify", data).CombinedOutput()
	if err != nil {
		var bad []byte
		for line := range bytes.Lines(out) {
			if !bytes.Contains(line, []byte("\tok\t")) {
				bad = append(bad, line...)
			}
		}
		return fmt.Errorf("odradek dump --verify on %s: %w\n%s", whose, err, tail(string(bad)))
	}
	return nil
}

// judgeAll has Kafka's tool read every file of a directory, without a complaint.
func (t *tool) judgeAll(data string) error {
	var plain, metadata []string
	files, err := filepath.Glob(filepath.Join(data, "*-*", "*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		folder := filepath.Base(filepath.Dir(f))
		switch ext := filepath.Ext(f); {
		case strings.HasSuffix(folder, "-delete"):
		case folder == metadataFolder && (ext == ".log" || ext == ".checkpoint"):
			metadata = append(metadata, f)
		case slices.Contains([]string{".log", ".index", ".timeindex", ".snapshot", ".txnindex"}, ext):
			plain = append(plain, f)
		}
	}
	if _, err := t.dump(plain, "--deep-iteration"); err != nil {
		return err
	}
	_, err = t.dump(metadata, "--cluster-metadata-decoder")
	fmt.Printf("  DumpLogSegments reads %d files\n", len(plain)+len(metadata))
	return err
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
			b.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
		}
	}
	return b.String()
}
