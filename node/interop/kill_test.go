package interop

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func listEnds(t *testing.T, c *kgo.Client, topic string) kadm.ListedOffsets {
	t.Helper()
	listed, err := kadm.NewClient(c).ListEndOffsets(deadline(t, 10*time.Second), topic)
	if err != nil {
		t.Fatal(err)
	}
	return listed
}

// TestKill kills the process 20 times in the middle of a load. The producers live on and retry.
func TestKill(t *testing.T) {
	killed(t, start(t), 20)
}

// TestKillRelaxed is the same without fsync before the acknowledgement: the page cache outlives the process.
func TestKillRelaxed(t *testing.T) {
	killed(t, start(t, "log.flush.interval.messages=10000"), 5)
}

func killed(t *testing.T, n *node, times int) {
	topic := "kill"
	createTopic(t, client(t, n), topic, partitions)
	l := startLoad(t, n, topic, 4)
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	var restarts []time.Duration
	for range times {
		l.moves()
		time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond)
		n.kill()
		begun := time.Now()
		n.run()
		restarts = append(restarts, time.Since(begun))
	}
	l.moves()
	l.stop(true)
	l.check(n, true)
	slices.Sort(restarts)
	t.Logf("killed %d times; ready again after %v (median), %v (most)", times, restarts[len(restarts)/2].Round(time.Millisecond), restarts[len(restarts)-1].Round(time.Millisecond))
	n.kill()
	n.run()
	l.check(n, true)
}

// TestCleanStop stops the process in the middle of a load: it ends well, soon, and keeps its word.
func TestCleanStop(t *testing.T) {
	for name, set := range map[string][]string{"durable": nil, "relaxed": {"log.flush.interval.messages=10000"}} {
		t.Run(name, func(t *testing.T) {
			n := start(t, set...)
			topic := "stop"
			createTopic(t, client(t, n), topic, partitions)
			l := startLoad(t, n, topic, 4)
			l.moves()
			time.Sleep(500 * time.Millisecond)
			begun := time.Now()
			n.stop()
			stopped := time.Since(begun)
			l.stop(false)
			begun = time.Now()
			n.run()
			t.Logf("stopped in %v, ready again in %v", stopped.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
			if stopped > 5*time.Second || time.Since(begun) > 5*time.Second {
				t.Error("that is more than 5 s")
			}
			l.check(n, false)
		})
	}
}
