package race

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"odradek/bench/target"
)

// profiled writes a CPU profile of an Odradek that is measured for so long from now on, if profiles are asked for. The runs that are profiled are slower for it.
func (a *Arena) profiled(b target.Target, c *Cell, e Entrant, length time.Duration) {
	if several, ok := b.(*target.Several); ok {
		b = several.Brokers[0]
	}
	node, ok := b.(*target.Node)
	if a.Profiles == "" || !ok {
		return
	}
	text, err := node.Profile(length)
	if err == nil {
		name := strings.NewReplacer("/", "-", " ", "-").Replace(c.Name + " " + e.String())
		err = os.WriteFile(filepath.Join(a.Profiles, name+".pprof"), []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(a.Says, "profile:", err)
	}
}

// beside runs something beside what is measured and returns what waits for its end.
func beside(do func()) (wait func()) {
	var wg sync.WaitGroup
	wg.Go(do)
	return wg.Wait
}
