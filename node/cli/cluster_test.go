package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// actAs is the variable that makes a process of this test binary a node, or a local cluster.
const actAs = "ODRADEK_TEST_ACT_AS"

func TestMain(m *testing.M) {
	switch what, data, _ := strings.Cut(os.Getenv(actAs), ":"); what {
	case "node":
		cmd := Serve()
		cmd.SetArgs(os.Args[1:])
		if err := cmd.ExecuteContext(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "cluster":
		os.Setenv(actAs, "node")
		p, err := planFor(data, 3)
		if err == nil {
			err = runCluster(context.Background(), &clusterRun{plan: p, data: data, command: []string{os.Args[0]}, out: os.Stdout, log: os.Stderr})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// localCluster runs a local cluster of three until the returned function is called.
func localCluster(t *testing.T, data string) (end func() error, out, log *output) {
	t.Helper()
	t.Setenv(actAs, "node")
	p, err := planFor(data, 3)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, log = new(output), new(output)
	done := make(chan error, 1)
	go func() {
		done <- runCluster(ctx, &clusterRun{plan: p, data: data, set: []string{"broker.session.timeout.ms=1000", "broker.heartbeat.interval.ms=200"}, command: []string{os.Args[0]}, out: out, log: log})
		close(done)
	}()
	end = func() error { cancel(); return <-done }
	t.Cleanup(func() { _ = end() })
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(out.String(), "bootstrap "); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not ready after 30 s:\n%s", log)
		}
	}
	return end, out, log
}

var processLine = regexp.MustCompile(`node (\d+): process (\d+)`)

// processes are those that the log names.
func processes(t *testing.T, log string) (ids []int) {
	t.Helper()
	for _, m := range processLine.FindAllStringSubmatch(log, -1) {
		id, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if len(ids) != 3 {
		t.Fatalf("%d processes:\n%s", len(ids), log)
	}
	return ids
}

// gone demands that processes end. One that nobody has waited for yet has ended, too.
func gone(t *testing.T, ids []int, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		left := 0
		for _, id := range ids {
			state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
			if err == nil && !strings.Contains(string(state), ") Z ") {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d processes are left of %v", left, ids)
		}
	}
}

// TestCluster: three processes serve where the line says; one that dies is told of and the others go on; all stop together; the same directory serves again at the same
// addresses.
func TestCluster(t *testing.T) {
	data := filepath.Join(t.TempDir(), "c")
	end, out, log := localCluster(t, data)
	bootstrap := strings.TrimSpace(out.String())
	addresses := strings.Split(strings.TrimPrefix(bootstrap, "bootstrap "), ",")
	if len(addresses) != 3 {
		t.Fatalf("%q", bootstrap)
	}
	for _, a := range addresses {
		nc, err := net.Dial("tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
	first := processes(t, log.String())
	if err := syscall.Kill(first[1], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(log.String(), "node 2 has ended: signal: killed"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nobody tells of it:\n%s", log)
		}
	}
	for _, id := range []int{first[0], first[2]} {
		if err := syscall.Kill(id, 0); err != nil {
			t.Errorf("the others do not go on: %v", err)
		}
	}
	if err := end(); err == nil || !strings.Contains(err.Error(), "node 2 has ended") {
		t.Errorf("the outcome is %v", err)
	}
	gone(t, first, 0)
	end, out, log = localCluster(t, data)
	if again := strings.TrimSpace(out.String()); again != bootstrap {
		t.Errorf("%q serves after a restart, before %q", again, bootstrap)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	gone(t, processes(t, log.String()), 0)
}

// TestClusterKilled: no node survives the process that runs them.
func TestClusterKilled(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	log := new(output)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), actAs+"=cluster:"+t.TempDir())
	cmd.Stdout, cmd.Stderr = write, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	line := make([]byte, 100)
	if _, err := io.ReadFull(read, line[:len("bootstrap ")]); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	ids := processes(t, log.String())
	t.Cleanup(func() {
		for _, id := range ids {
			if t.Failed() {
				_ = syscall.Kill(id, syscall.SIGKILL)
			}
		}
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	gone(t, ids, 20*time.Second)
}

// TestClusterPortTaken: a node that cannot start ends the whole, and what it said is shown.
func TestClusterPortTaken(t *testing.T) {
	t.Setenv(actAs, "node")
	data := t.TempDir()
	p, err := planFor(data, 3)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p.Nodes[2].Controller))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, log := new(output), new(output)
	err = runCluster(context.Background(), &clusterRun{plan: p, data: data, command: []string{os.Args[0]}, out: out, log: log})
	if err == nil || !strings.Contains(err.Error(), "node 3 has ended") || !strings.Contains(log.String(), "address already in use") || out.String() != "" {
		t.Errorf("%v\n%s%s", err, out, log)
	}
	gone(t, processes(t, log.String()), 0)
}

// TestPlan: what is asked for is what the nodes are started with, and what cannot be is refused.
func TestPlan(t *testing.T) {
	data := t.TempDir()
	p, err := planFor(data, 5)
	if err != nil {
		t.Fatal(err)
	}
	again, err := planFor(data, 5)
	if err != nil || fmt.Sprint(*again) != fmt.Sprint(*p) {
		t.Errorf("%v then %v: %v", p, again, err)
	}
	if _, err := planFor(data, 3); err == nil || !strings.Contains(err.Error(), "has 5") {
		t.Errorf("another number of nodes: %v", err)
	}
	if err := os.WriteFile(filepath.Join(data, clusterFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := planFor(data, 5); err == nil {
		t.Error("a plan that cannot be read is passed over")
	}
	for i, roles := range []string{"broker,controller", "broker,controller", "broker,controller", "broker", "broker"} {
		args := strings.Join(p.arguments(p.Nodes[i], data, []string{"num.partitions=7"}), " ")
		for _, want := range []string{"process.roles=" + roles + " ", fmt.Sprintf("node.id=%d ", i+1), "num.partitions=7 ", "--cluster-id " + p.ClusterID, fmt.Sprintf("3@127.0.0.1:%d ", p.Nodes[2].Controller)} {
			if !strings.Contains(args, want) {
				t.Errorf("node %d is started without %q: %s", i+1, want, args)
			}
		}
		if strings.Count(args, "@127.0.0.1:") != votersMax {
			t.Errorf("node %d knows other voters: %s", i+1, args)
		}
	}
	for _, set := range []string{"node.id=7", "listeners=PLAINTEXT://:1", "nonsense"} {
		if checkSet([]string{set}) == nil {
			t.Errorf("--set %s is taken", set)
		}
	}
}
