"""Files: JSON Lines and Parquet by kind of record and day, each record once."""
