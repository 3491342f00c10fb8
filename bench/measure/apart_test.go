package measure

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// allowed are the processors of each thread of a process.
func allowed(t *testing.T, pid int) map[string]int {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, task := range tasks {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, task.Name()))
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), "Cpus_allowed_list:")
		line, _, _ := strings.Cut(after, "\n")
		out[strings.TrimSpace(line)]++
	}
	return out
}

// All threads of the two are on a processor of their own, also those that come later, and where they were before afterwards.
func TestApart(t *testing.T) {
	if !CanPart() {
		t.Skip("needs the processors 0 and 1")
	}
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	before := allowed(t, os.Getpid())
	together, err := Apart(other.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if got := allowed(t, other.Process.Pid); len(got) != 1 || got["0"] == 0 {
		t.Errorf("the other process may use %v", got)
	}
	if got := allowed(t, os.Getpid()); len(got) != 1 || got["1"] == 0 {
		t.Errorf("this process may use %v", got)
	}
	if err := together(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{os.Getpid(), other.Process.Pid} {
		for set := range allowed(t, pid) { // any order: each is looked at
			if before[set] == 0 {
				t.Errorf("afterwards %d may use %s, before %v", pid, set, before)
			}
		}
	}
	if _, err := Apart(0); err == nil {
		t.Error("no process is kept apart")
	}
}
