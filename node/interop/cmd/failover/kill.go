package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"odradek/node/interop/brokers"
)

// killOne heals the cluster, kills a node, waits until all that it led was written to again, and starts it again. Every third is the quorum's leader.
func (t *trial) killOne(ctx context.Context, i int) error {
	heal, cancel := context.WithTimeout(ctx, healTime)
	defer cancel()
	if err := t.spread(heal); err != nil {
		return err
	}
	active, err := brokers.Active(heal, t.client)
	if err != nil {
		return err
	}
	victim := t.cluster.Node(active)
	if i%3 != 0 {
		victim = t.cluster.Node((active+int32(rand.IntN(2)))%3 + 1)
	}
	time.Sleep(time.Duration(200+rand.IntN(800)) * time.Millisecond)
	led, err := t.led(heal, int32(victim.ID))
	if err != nil {
		return err
	}
	if len(led) == 0 {
		return fmt.Errorf("node %d leads nothing", victim.ID)
	}
	t.load.forget()
	killed := time.Now()
	victim.End()
	fail, cancel := context.WithTimeout(ctx, failTime)
	defer cancel()
	commit, err := t.commit(fail, victim, killed)
	if err != nil {
		return err
	}
	first, last, err := t.load.after(fail, commit, led)
	if err != nil {
		return fmt.Errorf("node %d was killed: %w", victim.ID, err)
	}
	k := kill{node: victim.ID, active: int32(victim.ID) == active, led: len(led), commit: commit.Sub(killed), first: first.Sub(killed), last: last.Sub(killed)}
	t.figures.add(k)
	fmt.Println(k)
	return victim.Again()
}

// spread waits until all replicas are in sync, and gives every partition back to its first replica.
func (t *trial) spread(ctx context.Context) error {
	for {
		details, err := t.cluster.AwaitInSync(ctx, t.client, topic)
		if err != nil {
			return err
		}
		moved := make(kadm.TopicsSet)
		details.EachPartition(func(p kadm.PartitionDetail) {
			if p.Leader != p.Replicas[0] {
				moved.Add(topic, p.Partition)
			}
		})
		if len(moved) == 0 {
			return nil
		}
		// What is refused is asked for again: a broker that came back may still be fenced in the controller's eyes.
		_, _ = kadm.NewClient(t.client).ElectLeaders(ctx, kadm.ElectPreferredReplica, moved)
		time.Sleep(20 * time.Millisecond)
	}
}

// led are the partitions that a node leads.
func (t *trial) led(ctx context.Context, node int32) (out []int32, err error) {
	details, err := kadm.NewClient(t.client).ListTopics(ctx, topic)
	if err != nil {
		return nil, err
	}
	details.EachPartition(func(p kadm.PartitionDetail) {
		if p.Leader == node {
			out = append(out, p.Partition)
		}
	})
	return out, details.Error()
}

var changed = regexp.MustCompile(`^time=(\S+) .*msg=leader-changed topic=` + topic + ` .* from=(\d+) `)

// commit is when a survivor first saw the record that took the killed node's leaderships committed: the line is written when it is.
func (t *trial) commit(ctx context.Context, victim *brokers.Member, killed time.Time) (time.Time, error) {
	for {
		var first time.Time
		for _, m := range t.cluster.Nodes {
			if m == victim {
				continue
			}
			for line := range strings.Lines(m.Tail()) {
				found := changed.FindStringSubmatch(line)
				if found == nil || found[2] != fmt.Sprint(victim.ID) {
					continue
				}
				at, err := time.Parse(time.RFC3339, found[1])
				if err != nil {
					return first, err
				}
				// The line's milliseconds are cut off.
				if at.After(killed.Add(-time.Millisecond)) && (first.IsZero() || at.Before(first)) {
					first = at
				}
			}
		}
		if !first.IsZero() {
			return first, nil
		}
		select {
		case <-ctx.Done():
			return first, fmt.Errorf("node %d was killed %v ago and still leads", victim.ID, time.Since(killed).Round(time.Millisecond))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// fences adds how many changes of partitions stand in one batch with each fence of a broker in a metadata log.
func (t *trial) fences(ctx context.Context, dir string) error {
	out, err := exec.CommandContext(ctx, t.binary, "dump", "--records", dir).Output()
	if err != nil {
		return err
	}
	changes := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Split(line, "\t")
		switch {
		case len(f) > 1 && f[1] == "batch":
			changes = 0
		case len(f) > 5 && f[1] == "record" && strings.HasPrefix(f[4], "PartitionChange/"):
			changes++
		case len(f) > 5 && f[1] == "record" && strings.HasPrefix(f[4], "BrokerRegistrationChange/") && strings.Contains(f[5], `"Fenced":1`):
			t.figures.fences = append(t.figures.fences, changes)
		}
	}
	return nil
}
