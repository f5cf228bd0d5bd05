import * as React from 'react';

import type { Slice } from './catalog';
import { Notice, Table } from './parts';
import { Pager, Reading } from './Reading';

const INTERVAL_MS = 15_000;

/** A column: what stands above it, and in it for each item. */
export interface IColumn<T> {
  readonly label: string;
  readonly cell: (item: T) => React.ReactNode;
  readonly isNumber?: boolean;
}

/** A table that is read page by page; its first column names the item. */
export function PagedTable<T extends { readonly id: string }>({
  label,
  columns,
  read,
  failure,
  empty
}: {
  readonly label: string;
  readonly columns: readonly IColumn<T>[];
  readonly read: (page: number) => Promise<Slice<T>>;
  readonly failure: string;
  readonly empty: { readonly title: string; readonly help: string };
}): JSX.Element {
  const [page, setPage] = React.useState(0);
  const readPage = React.useCallback(() => read(page), [read, page]);
  const [name, ...others] = columns;
  return (
    <Reading key={page} read={readPage} everyMs={INTERVAL_MS} failure={failure}>
      {slice =>
        slice.items.length === 0 ? (
          <Notice title={empty.title}>{empty.help}</Notice>
        ) : (
          <>
            <div className="wl-Cards">
              <Table label={label} columns={columns.map(one => one.label)}>
                {slice.items.map(item => (
                  <tr key={item.id}>
                    <th scope="row">{name.cell(item)}</th>
                    {others.map(column => (
                      <td
                        key={column.label}
                        className={column.isNumber ? 'wl-Number' : undefined}
                        data-label={column.label}
                      >
                        {column.cell(item)}
                      </td>
                    ))}
                  </tr>
                ))}
              </Table>
            </div>
            <Pager page={page} more={slice.more} onPage={setPage} />
          </>
        )
      }
    </Reading>
  );
}
