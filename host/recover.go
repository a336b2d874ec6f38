package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// recover reads what is installed, rebuilds the store from the packages if it
// was lost, and removes what no record names: the remains of operations that a
// crash cut short.
func (h *Host) recover(ctx context.Context) error {
	if err := h.layout.make(); err != nil {
		return err
	}
	records, err := h.store.Load()
	if err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	if h.store.Fresh() && len(records) == 0 {
		if records, err = h.rebuild(ctx); err != nil {
			return fmt.Errorf("rebuild the store: %w", err)
		}
	}
	if records, err = h.finishDrops(records); err != nil {
		return fmt.Errorf("finish drops: %w", err)
	}
	// Of two records that claim one function the later is right; there are
	// none unless the data folder was changed by hand.
	slices.SortFunc(records, func(a, b Record) int { return cmp.Compare(a.Revision, b.Revision) })
	index := newIndex()
	for _, r := range records {
		h.revision = max(h.revision, r.Revision)
		index.add(h.newPlugin(r))
	}
	h.index.Store(index)
	err = h.sweep(ctx, index)
	if err == nil && h.store.Fresh() {
		err = h.store.Settle() // else a crash in the first install would be taken for a lost store
	}
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		h.log.Error("tidying the data folder up failed in part; the next start tries again", "error", err)
	}
	h.log.Info("data folder opened", "dir", h.layout.dir, "plugins", len(index.plugins), "functions", len(index.functions))
	return nil
}

// rebuild finds the records beside the packages and stores them again.
func (h *Host) rebuild(ctx context.Context) ([]Record, error) {
	latest := map[id]Record{}
	err := h.eachVersion(h.layout.plugins(), func(i id, entry string) error {
		folder, isRecord := strings.CutSuffix(entry, ".json")
		if !isRecord {
			return ctx.Err()
		}
		path := filepath.Join(h.layout.plugin(i), entry)
		r, err := readRecord(path)
		var file *fs.PathError
		if errors.As(err, &file) && !errors.Is(err, fs.ErrNotExist) {
			return err // a disk that fails is no reason to forget plugins
		}
		if err == nil && (r.id() != i || r.folder() != folder) {
			err = fmt.Errorf("%s: it is about another plugin", path)
		}
		if err == nil {
			_, err = os.Stat(h.layout.files(i, folder))
		}
		if err != nil {
			h.log.Error("a record beside a package is of no use", "error", err)
			return nil
		}
		if known, ok := latest[i]; !ok || r.Revision > known.Revision {
			latest[i] = r
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	// All at once: a crash half way must not leave a store that seems complete.
	records := slices.Collect(maps.Values(latest))
	if len(records) > 0 {
		if err := h.store.Put(records...); err != nil {
			return nil, err
		}
		h.log.Warn("THE STORE WAS LOST and was rebuilt from the packages on disk: check that nothing is missing", "plugins", len(records))
	}
	return records, nil
}

// sweep removes what no record names, and writes records anew that are missing
// beside their packages or are not those of the store.
func (h *Host) sweep(ctx context.Context, index *index) error {
	staged, err := entries(h.layout.staging())
	if err != nil {
		return err
	}
	var faults []error
	for _, entry := range staged {
		faults = append(faults, removeStaged(filepath.Join(h.layout.staging(), entry.Name())))
	}
	recorded := map[id]bool{} // the record beside the package is as it should be
	for _, top := range []string{h.layout.plugins(), h.layout.caches()} {
		err := h.eachVersion(top, func(i id, entry string) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			folder, isRecord := strings.CutSuffix(entry, ".json")
			if p := index.plugins[i]; p != nil && p.record.folder() == folder {
				if isRecord {
					beside, err := readRecord(filepath.Join(top, i.kind.String(), i.name, entry))
					recorded[i] = err == nil && reflect.DeepEqual(beside, p.record)
				}
				return nil
			}
			path := filepath.Join(top, i.kind.String(), i.name, entry)
			if h.store.Fresh() && top == h.layout.plugins() {
				h.log.Warn("the store was lost, and this is in no record: kept aside", "plugin", i.String(), "entry", entry)
				faults = append(faults, h.layout.setAside(path, i))
				return nil
			}
			h.log.Info("removing what is left of an unfinished operation", "plugin", i.String(), "entry", entry)
			faults = append(faults, os.RemoveAll(path))
			return nil
		})
		faults = append(faults, err)
	}
	faults = append(faults, h.sweepOwn(ctx, index))
	for i, p := range index.plugins {
		if _, err := os.Stat(h.layout.files(i, p.record.folder())); err != nil {
			h.log.Error("a plugin's files are gone: its calls fail until it is updated or installed anew", "plugin", i.String(), "error", err)
		} else if !recorded[i] {
			faults = append(faults, h.layout.writeRecord(p.record))
		}
	}
	return errors.Join(faults...)
}

// sweepOwn removes the data and the configuration that no record names: what is
// left of a drop or a restore that a crash cut short. If the store was lost, it
// is kept aside. Configuration that an operation cut short had not written yet is
// written.
func (h *Host) sweepOwn(ctx context.Context, index *index) error {
	var faults []error
	for _, own := range []struct{ top, as string }{{h.layout.states(), "state"}, {h.layout.etcs(), "etc"}} {
		err := eachOwn(own.top, func(i id, data, folder string) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			p := index.plugins[i]
			switch {
			case p != nil && (data == p.record.Data || data == "" && own.as == "etc"):
			case h.store.Fresh():
				h.log.Warn("the store was lost, and this is of a plugin in no record: kept aside", "plugin", i.String(), "what", own.as)
				faults = append(faults, h.layout.setOwnAside(folder, own.as, i))
			default:
				h.log.Info("removing what an operation left that was cut short", "plugin", i.String(), "what", own.as)
				faults = append(faults, os.RemoveAll(folder))
			}
			return nil
		})
		faults = append(faults, err)
	}
	for i, p := range index.plugins {
		h.applyEtc(i, p.record)
	}
	return errors.Join(faults...)
}

// eachOwn calls f for every folder below top that is a plugin's own, of any
// generation.
func eachOwn(top string, f func(i id, data, folder string) error) error {
	for _, kind := range Kinds() {
		dir := filepath.Join(top, kind.String())
		folders, err := entries(dir)
		if err != nil {
			return err
		}
		for _, entry := range folders {
			plugin, data := splitGeneration(entry.Name())
			if !entry.IsDir() || !isName(plugin) {
				continue
			}
			if err := f(id{kind, plugin}, data, filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachVersion calls f for every entry in the folder of every plugin below top,
// and removes folders that are empty then.
func (h *Host) eachVersion(top string, f func(i id, entry string) error) error {
	return eachPlugin(top, func(i id) error {
		dir := filepath.Join(top, i.kind.String(), i.name)
		versions, err := entries(dir)
		if err != nil {
			return err
		}
		for _, version := range versions {
			if err := f(i, version.Name()); err != nil {
				return err
			}
		}
		_ = os.Remove(dir) // succeeds when nothing is in it
		return nil
	})
}

// eachPlugin calls f for the folder of every plugin below top. What is not a
// plugin's folder is left alone.
func eachPlugin(top string, f func(id) error) error {
	for _, kind := range Kinds() {
		plugins, err := entries(filepath.Join(top, kind.String()))
		if err != nil {
			return err
		}
		for _, plugin := range plugins {
			if !plugin.IsDir() || !isName(plugin.Name()) {
				continue
			}
			if err := f(id{kind, plugin.Name()}); err != nil {
				return err
			}
		}
	}
	return nil
}
