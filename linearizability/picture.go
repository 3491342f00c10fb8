package linearizability

import (
	"io"
	"math"

	"github.com/anishathalye/porcupine"
)

// Picture writes Porcupine's page of one partition of a history, whether an order explains it or not, and reports whether one does. found is false if the
// history has nothing of the partition; then nothing is written.
func Picture(h History, name string, out io.Writer) (found, explained bool, err error) {
	for _, p := range split(h) {
		if p.name != name {
			continue
		}
		p.report = func(Anomaly, *Operation, string, ...any) {}
		p.anomalies()
		deeds := p.deeds()
		left := effortLeast + effort*len(deeds)
		model := p.model(&left)
		result, info := porcupine.CheckOperationsVerbose(model, deeds, 0)
		left = math.MaxInt
		return true, result == porcupine.Ok, porcupine.Visualize(model, info, out)
	}
	return false, false, nil
}
