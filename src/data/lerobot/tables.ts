/** @file The tables of a LeRobotDataset: their columns, and the notes that pandas and Hugging Face's readers look for. */

import type { ParquetColumn } from "../parquet.ts";
import { columnFor } from "./features.ts";
import type { Feature } from "./info.ts";
import { statNames } from "./stats.ts";

type Features = Readonly<Record<string, Feature>>;

const isPicture = ({ dtype }: Feature): boolean => dtype === "image" || dtype === "video";

/** Columns of the frames' table. */
export function dataColumns(features: Features): ParquetColumn[] {
  return Object.entries(features).flatMap(([key, feature]) => columnFor(key, feature) ?? []);
}

function huggingFaceFeature(feature: Feature): object {
  const { dtype, shape } = feature;
  if (dtype === "image") return { _type: "Image" };
  const value = { dtype, _type: "Value" };
  if (columnFor("", feature)?.depth === 0) return value;
  if (shape.length === 1) return { feature: value, length: shape[0], _type: "Sequence" };
  return { shape, dtype, _type: `Array${shape.length}D` };
}

/** Key-value metadata of the frames' table. @source huggingface/datasets, arrow_writer.py */
export function dataFacts(features: Features): Record<string, string> {
  const stored = Object.entries(features).filter(([, { dtype }]) => dtype !== "video");
  const described = Object.fromEntries(stored.map(([key, feature]) => [key, huggingFaceFeature(feature)]));
  return { huggingface: JSON.stringify({ info: { features: described } }) };
}

const int64 = (name: string): ParquetColumn => ({ name, type: "int64", depth: 0 });

/** Columns of `meta/episodes`. @source huggingface/lerobot 7427f31, dataset_metadata.py save_episode */
export function episodeColumns(features: Features, videoKeys: readonly string[]): ParquetColumn[] {
  const videos = videoKeys.flatMap((key): ParquetColumn[] => [
    int64(`videos/${key}/chunk_index`),
    int64(`videos/${key}/file_index`),
    { name: `videos/${key}/from_timestamp`, type: "float64", depth: 0 },
    { name: `videos/${key}/to_timestamp`, type: "float64", depth: 0 },
  ]);
  const stats = Object.entries(features).flatMap(([key, feature]) =>
    statNames.map((stat): ParquetColumn => {
      if (stat === "count") return { name: `stats/${key}/count`, type: "int64", depth: 1 };
      const depth = isPicture(feature) ? 3 : Math.max(1, feature.shape.length);
      return { name: `stats/${key}/${stat}`, type: "float64", depth };
    }),
  );
  return [
    int64("episode_index"),
    { name: "tasks", type: "string", depth: 1 },
    int64("length"),
    ...["data/chunk_index", "data/file_index", "dataset_from_index", "dataset_to_index"].map(int64),
    ...videos,
    ...stats,
    ...["meta/episodes/chunk_index", "meta/episodes/file_index"].map(int64),
  ];
}

/** Columns of the table beside the format: what else an episode is, and its last observation. */
export function endColumns(observed: Features): ParquetColumn[] {
  const last = Object.entries(observed).flatMap(([key, feature]) => {
    const stored = isPicture(feature) ? { ...feature, dtype: "image" } : feature;
    return columnFor(`last/${key}`, stored) ?? [];
  });
  return [
    int64("episode_index"),
    { name: "id", type: "string", depth: 0 },
    { name: "meta", type: "string", depth: 0 },
    { name: "terminated", type: "bool", depth: 0 },
    { name: "truncated", type: "bool", depth: 0 },
    ...last,
  ];
}

/** Columns of `meta/tasks.parquet`. */
export const taskColumns: readonly ParquetColumn[] = [
  int64("task_index"),
  { name: "task", type: "string", depth: 0 },
];

const pandasColumn = (name: string, pandas: string, numpy: string): object => ({
  name,
  field_name: name,
  pandas_type: pandas,
  numpy_type: numpy,
  metadata: null,
});

/** Says that `task` is the table's index. @source pandas developer guide, "Storing pandas DataFrame objects in Apache Parquet format" */
export const taskFacts: Readonly<Record<string, string>> = {
  pandas: JSON.stringify({
    index_columns: ["task"],
    column_indexes: [
      {
        name: null,
        field_name: null,
        pandas_type: "unicode",
        numpy_type: "object",
        metadata: { encoding: "UTF-8" },
      },
    ],
    columns: [pandasColumn("task_index", "int64", "int64"), pandasColumn("task", "unicode", "object")],
    pandas_version: "2.2.3",
  }),
};
